/* Reads the section `history:` of fleetroute.yaml. Internal to the reading of fleetroute.yaml. */
#ifndef FR_SERVER_HISTORY_H
#define FR_SERVER_HISTORY_H

#include "config/server_reader.h"

/* Read the section into r->config->history. The section `journal:` must have been read: without a
 * journal there is no history. */
void fr_server_read_history(struct fr_server_reader *r, const struct fr_yaml *root);

/* Free the memory of the section. */
void fr_server_free_history(struct fr_history_config *history);

#endif
