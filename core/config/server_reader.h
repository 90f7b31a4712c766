/*
 * Reads the kinds of values that the sections of fleetroute.yaml share. Errors are appended to the
 * diagnostics of the file. Internal to the reading of fleetroute.yaml.
 */
#ifndef FR_SERVER_READER_H
#define FR_SERVER_READER_H

#include <stdbool.h>

#include "config/server_types.h"
#include "config/yaml_tree.h"

/* The state of reading one file. */
struct fr_server_reader {
    struct fr_yaml_file file;
    struct fr_server_config *config;
};

/* Resolve a path from the folder of the configuration file. The caller frees the result. */
char *fr_server_resolve(const struct fr_server_reader *r, const char *path);

/* Read the path of a file that is required and check that the key reader can open the file.
 * `parent` is the position of the message if the key is missing; then the result is NULL. The
 * caller frees the result. */
char *fr_server_read_file(struct fr_server_reader *r, const struct fr_yaml *map,
                          const char *section, const char *key, const struct fr_yaml *parent);

/* The map of an optional section with these keys. NULL: absent, empty, or not a map, which is
 * reported. */
const struct fr_yaml *fr_server_section(struct fr_server_reader *r, const struct fr_yaml *root,
                                        const char *name, const char *const *keys);

/* Read a text that must be one of `words` (NULL ends the list); returns its index. */
int fr_server_read_word(struct fr_server_reader *r, const struct fr_yaml *node, const char *what,
                        const char *const *words, int default_value);

/* Whether a section is `off`. It may also be `on` or a map; an absent section is on. */
bool fr_server_is_off(struct fr_server_reader *r, const struct fr_yaml *node, const char *what);

#endif
