/*
 * Reads the section `tesla:` of fleetroute.yaml: the owner's application at Tesla, for the commands
 * push, pair, setup, doctor and keep. Internal to the reading of fleetroute.yaml.
 */
#ifndef FR_SERVER_TESLA_H
#define FR_SERVER_TESLA_H

#include "config/server_reader.h"

/* Read the section into r->config->tesla. The section `listen:` must have been read: its port is the
 * default. Files are named, not opened: the daemon does not need them. */
void fr_server_read_tesla(struct fr_server_reader *r, const struct fr_yaml *root);

/* Free the paths of the section. */
void fr_server_free_tesla(struct fr_tesla_config *tesla);

#endif
