/*
 * yaml_tree.h - a YAML document as a tree that knows where each thing stood.
 *
 * Only what configuration needs: mappings with text keys, lists and text. Anchors, aliases,
 * several documents and more than FR_YAML_NODES_MAX nodes are mistakes.
 */
#ifndef FR_YAML_TREE_H
#define FR_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/diagnostics.h"

#define FR_YAML_NODES_MAX 200000
#define FR_YAML_DEPTH_MAX 32
#define FR_YAML_FILE_MAX (16u << 20)

enum fr_yaml_kind {
    FR_YAML_TEXT,
    FR_YAML_LIST,
    FR_YAML_MAP,
};

struct fr_yaml {
    enum fr_yaml_kind kind;
    int line, column; /* from 1 */
    char *text;       /* FR_YAML_TEXT; "" for nothing */
    bool quoted;
    size_t count;
    struct fr_yaml **items; /* of a list; values of a map */
    struct fr_yaml **keys;  /* of a map, FR_YAML_TEXT each */
};

/* One file being read: what its messages need. */
struct fr_yaml_file {
    const char *path;
    struct fr_diagnostics *diagnostics;
};

/* Parse text. NULL, with the reasons in the diagnostics, when it is no YAML of this kind; an
 * empty document is an empty map. The caller frees the tree. */
struct fr_yaml *fr_yaml_parse(const struct fr_yaml_file *file, const char *text, size_t len);

/* Read and parse a file. */
struct fr_yaml *fr_yaml_load(const struct fr_yaml_file *file);

void fr_yaml_free(struct fr_yaml *node);

/* The value of a key of a map, or NULL. */
struct fr_yaml *fr_yaml_get(const struct fr_yaml *map, const char *key);

/* Whether two trees say the same, wherever they stand. NULL equals NULL. */
bool fr_yaml_equal(const struct fr_yaml *a, const struct fr_yaml *b);

/* Report a mistake or a warning at a node. */
void fr_yaml_wrong(const struct fr_yaml_file *file, const struct fr_yaml *node, const char *format,
                   ...) __attribute__((format(printf, 3, 4)));
void fr_yaml_warn(const struct fr_yaml_file *file, const struct fr_yaml *node, const char *format,
                  ...) __attribute__((format(printf, 3, 4)));

/* Check that a node is a map and that it has no keys but these (NULL ends the list); unknown
 * ones are reported with the nearest that is allowed. False: it is no map. */
bool fr_yaml_is_map(const struct fr_yaml_file *file, const struct fr_yaml *node, const char *what,
                    const char *const *keys);

/* Typed values; `what` names the thing in messages. A NULL node gives `initial`, a wrong one a
 * message and `initial`. */
const char *fr_yaml_text(const struct fr_yaml_file *file, const struct fr_yaml *node,
                         const char *what, const char *initial);
int64_t fr_yaml_integer(const struct fr_yaml_file *file, const struct fr_yaml *node,
                        const char *what, int64_t least, int64_t most, int64_t initial);
double fr_yaml_real(const struct fr_yaml_file *file, const struct fr_yaml *node, const char *what,
                    double initial);
bool fr_yaml_boolean(const struct fr_yaml_file *file, const struct fr_yaml *node, const char *what,
                     bool initial);
/* "500 ms", "5 s", "10 min", "1 h", "7 d"; in ms. */
int64_t fr_yaml_duration(const struct fr_yaml_file *file, const struct fr_yaml *node,
                         const char *what, int64_t initial);
/* "4096", "64 kB", "100 MB", "1 GiB"; in bytes. */
int64_t fr_yaml_size(const struct fr_yaml_file *file, const struct fr_yaml *node, const char *what,
                     int64_t initial);

/* The parsers behind the last two: false when the text is none. */
bool fr_parse_duration(const char *text, int64_t *ms);
bool fr_parse_size(const char *text, int64_t *bytes);
bool fr_parse_boolean(const char *text, bool *value);

/* Call each() for a text or for every text of a list of texts. */
void fr_yaml_each_text(const struct fr_yaml_file *file, const struct fr_yaml *node,
                       const char *what, void (*each)(const struct fr_yaml *text, void *ctx),
                       void *ctx);

#endif
