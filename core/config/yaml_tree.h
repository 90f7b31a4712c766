/*
 * Reads a YAML document (https://yaml.org/spec/1.1) into a tree whose nodes have the line and
 * column of the file. yaml_values.h reads typed values from the tree.
 *
 * The tree has maps with text keys, lists and texts. Anchors, aliases, a second document, duplicate
 * keys, and documents beyond the limits below are errors. A tree is used by one thread at a time,
 * or read by any number of threads.
 */
#ifndef FR_YAML_TREE_H
#define FR_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/diagnostics.h"

#define FR_YAML_NODES_MAX 200000
#define FR_YAML_DEPTH_MAX 32
#define FR_YAML_FILE_MAX (16u << 20) /* bytes */

enum fr_yaml_kind {
    FR_YAML_TEXT,
    FR_YAML_LIST,
    FR_YAML_MAP,
};

struct fr_yaml {
    enum fr_yaml_kind kind;
    int line, column; /* from 1 */
    char *text;       /* of FR_YAML_TEXT; "" if the value is empty */
    bool quoted;
    size_t count;           /* of `items` and `keys` */
    struct fr_yaml **items; /* of a list; the values of a map */
    struct fr_yaml **keys;  /* of a map, FR_YAML_TEXT each */
};

/* The file to which messages refer, and the collection that receives them. Neither is owned. */
struct fr_yaml_file {
    const char *path;
    struct fr_diagnostics *diagnostics;
};

/* Parse a text of `len` bytes. An empty document is an empty map. The caller frees the tree. NULL:
 * an error was appended to the diagnostics. */
struct fr_yaml *fr_yaml_parse(const struct fr_yaml_file *file, const char *text, size_t len);

/* Read file->path and parse it like fr_yaml_parse(). */
struct fr_yaml *fr_yaml_load(const struct fr_yaml_file *file);

/* Free a tree. NULL is ignored. */
void fr_yaml_free(struct fr_yaml *node);

/* The value of a key of a map; NULL: the map lacks the key, or `map` is NULL or not a map. The tree
 * owns the value. */
struct fr_yaml *fr_yaml_get(const struct fr_yaml *map, const char *key);

/* Whether two trees have the same content; lines and columns are ignored. The order of the keys of
 * a map matters. NULL equals NULL. */
bool fr_yaml_equal(const struct fr_yaml *a, const struct fr_yaml *b);

/* Append an error or a warning at the position of a node. */
void fr_yaml_config_error(const struct fr_yaml_file *file, const struct fr_yaml *node,
                          const char *format, ...) __attribute__((format(printf, 3, 4)));
void fr_yaml_warn(const struct fr_yaml_file *file, const struct fr_yaml *node, const char *format,
                  ...) __attribute__((format(printf, 3, 4)));

#endif
