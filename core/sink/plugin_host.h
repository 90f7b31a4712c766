/*
 * The functions that fleetroute offers to sink plugins (struct fr_host in fleetroute/plugin.h).
 *
 * All functions: the sink's thread. config_error() and the option functions also run on the main
 * thread, in the plugin's check().
 */
#ifndef FR_PLUGIN_HOST_H
#define FR_PLUGIN_HOST_H

#include "fleetroute/plugin.h"

extern const struct fr_host fr_plugin_host;

#endif
