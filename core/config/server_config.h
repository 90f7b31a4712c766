/*
 * Reads and checks fleetroute.yaml, except for the options of plugins: sink/ and source/ check them
 * with the plugin. man/fleetroute.yaml.5 describes the keys. The configuration is constant after it
 * is loaded and is shared between threads by reference.
 */
#ifndef FR_SERVER_CONFIG_H
#define FR_SERVER_CONFIG_H

#include "config/diagnostics.h"
#include "config/server_types.h"

/* Read a configuration file. Relative paths in the file start at its folder. Errors and warnings
 * are appended to `diagnostics`; after an error the configuration may be incomplete. The caller
 * owns the one reference of the result. NULL: the file cannot be read or is not YAML. */
struct fr_server_config *fr_server_config_load(const char *path,
                                               struct fr_diagnostics *diagnostics);

/* The path of the public half beside a command key: "keys/command-key.pub.pem" for
 * "keys/command-key.pem". The caller frees it. */
char *fr_server_public_key_path(const char *command_key);

/* Take and release a reference; the last release frees the configuration. NULL is ignored. Any
 * thread. */
struct fr_server_config *fr_server_config_ref(struct fr_server_config *config);
void fr_server_config_unref(struct fr_server_config *config);

#endif
