/*
 * Reads typed values from a YAML tree. An error is appended to the diagnostics at the position of
 * the node, so that a reader continues and reports all errors of a file.
 */
#ifndef FR_YAML_VALUES_H
#define FR_YAML_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/yaml_tree.h"

/* Check that a node is a map and that each of its keys is in `keys` (NULL ends the list). An
 * unknown key is an error that names the nearest valid key. `what` names the map in messages.
 * False: the node is not a map. */
bool fr_yaml_is_map(const struct fr_yaml_file *file, const struct fr_yaml *node, const char *what,
                    const char *const *keys);

/* Check that one key of the map `what` is in `keys`, like fr_yaml_is_map(). */
void fr_yaml_check_key(const struct fr_yaml_file *file, const struct fr_yaml *key, const char *what,
                       const char *const *keys);

/* Read a typed value; `what` names the value in messages. The result is `default_value` if `node`
 * is NULL, and after an error, which is appended to the diagnostics. A text belongs to the tree.
 * The limits `min` and `max` are inclusive. A real number is 0 or more. */
const char *fr_yaml_text(const struct fr_yaml_file *file, const struct fr_yaml *node,
                         const char *what, const char *default_value);
int64_t fr_yaml_integer(const struct fr_yaml_file *file, const struct fr_yaml *node,
                        const char *what, int64_t min, int64_t max, int64_t default_value);
double fr_yaml_real(const struct fr_yaml_file *file, const struct fr_yaml *node, const char *what,
                    double default_value);
bool fr_yaml_boolean(const struct fr_yaml_file *file, const struct fr_yaml *node, const char *what,
                     bool default_value);
/* A duration such as "500 ms", "5 s", "10 min", "1 h", "7 d" or "2 w", in ms. */
int64_t fr_yaml_duration(const struct fr_yaml_file *file, const struct fr_yaml *node,
                         const char *what, int64_t default_value);
/* A size such as "4096", "64 kB", "100 MB" or "1 GiB", in bytes. */
int64_t fr_yaml_size(const struct fr_yaml_file *file, const struct fr_yaml *node, const char *what,
                     int64_t default_value);

/* Parse a duration, a size, or a boolean (true, yes, on, false, no, off). False: the text has no
 * such value. Any thread. */
bool fr_parse_duration(const char *text, int64_t *ms);
bool fr_parse_size(const char *text, int64_t *bytes);
bool fr_parse_boolean(const char *text, bool *value);

/* Call each() for `node` if it is a text, or for each text of a list. Other nodes are errors. NULL
 * is ignored. */
void fr_yaml_each_text(const struct fr_yaml_file *file, const struct fr_yaml *node,
                       const char *what, void (*each)(const struct fr_yaml *text, void *ctx),
                       void *ctx);

#endif
