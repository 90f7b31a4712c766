/*
 * Loads the shared object of a sink or source plugin and checks that it fits this program.
 *
 * Called on the main thread of the daemon or the tool.
 */
#ifndef FR_LOADER_H
#define FR_LOADER_H

#include "fleetroute/plugin.h"
#include "util/error.h"

/* The symbols that a plugin exports: a struct fr_plugin, a struct fr_source_plugin, or both. */
#define FR_PLUGIN_SYMBOL "fleetroute_plugin"
#define FR_SOURCE_SYMBOL "fleetroute_source"

/* Load a sink plugin. `name` is a path if it contains a slash, otherwise NAME.so in `directory`.
 * The plugin stays loaded until the process ends; the result points into it. NULL with `error` set:
 * the file cannot be loaded, has no such symbol or another plugin ABI, or lacks a function. */
const struct fr_plugin *fr_plugin_load(const char *name, const char *directory,
                                       struct fr_error *error);

/* Load a source plugin, as fr_plugin_load(). */
const struct fr_source_plugin *fr_source_plugin_load(const char *name, const char *directory,
                                                     struct fr_error *error);

#endif
