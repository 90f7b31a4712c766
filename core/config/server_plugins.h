/*
 * Reads the sections `sinks:` and `sources:` of fleetroute.yaml, except the options of plugins.
 * Internal to the reading of fleetroute.yaml.
 */
#ifndef FR_SERVER_PLUGINS_H
#define FR_SERVER_PLUGINS_H

#include "config/server_reader.h"

/* Read a section and append its entries to r->config. The section `journal:` must have been read:
 * it determines the default size of the queues of sinks. */
void fr_server_read_sinks(struct fr_server_reader *r, const struct fr_yaml *root);
void fr_server_read_sources(struct fr_server_reader *r, const struct fr_yaml *root);

#endif
