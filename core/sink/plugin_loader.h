/* plugin_loader.h - finding a plugin's shared object and refusing one that does not fit. */
#ifndef FR_PLUGIN_LOADER_H
#define FR_PLUGIN_LOADER_H

#include "fleetroute/plugin.h"
#include "util/error.h"

/* The symbol that a plugin exports, a struct fr_plugin. */
#define FR_PLUGIN_SYMBOL "fleetroute_plugin"
#define FR_SOURCE_SYMBOL "fleetroute_source"

/* Load a plugin: `name` is a path if it has a slash in it, else NAME.so in `directory`. The
 * plugin stays loaded for the life of the process. NULL and why. */
const struct fr_plugin *fr_plugin_load(const char *name, const char *directory,
                                       struct fr_error *error);

/* The same for the source in a plugin. */
const struct fr_source_plugin *fr_source_plugin_load(const char *name, const char *directory,
                                                     struct fr_error *error);

#endif
