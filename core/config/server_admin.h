/*
 * Reads the section `admin:` of fleetroute.yaml. Internal to the reading of fleetroute.yaml.
 */
#ifndef FR_SERVER_ADMIN_H
#define FR_SERVER_ADMIN_H

#include "config/server_reader.h"

/* Read the section into r->config->admin_…. The section `tls:` must have been read. */
void fr_server_read_admin(struct fr_server_reader *r, const struct fr_yaml *root);

/* Free what fr_server_read_admin() allocated. */
void fr_server_free_admin(struct fr_server_config *config);

#endif
