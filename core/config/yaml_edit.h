/*
 * Changes sections of a YAML file that its owner also edits. A section is a top-level key with its
 * value. Only sections that are absent, empty, or below the line FR_YAML_EDIT_MARK are written; the
 * order of the sections, their comments and all other lines stay as they are. The file is replaced
 * by yaml_edit_file.h.
 *
 * An edit is used by one thread.
 */
#ifndef FR_YAML_EDIT_H
#define FR_YAML_EDIT_H

#include "config/yaml_tree.h"
#include "util/buffer.h"
#include "util/error.h"

/* The line above a section that fleetroute may change. */
#define FR_YAML_EDIT_MARK "# Written by fleetroute setup, which may change this section."

enum fr_yaml_section {
    FR_YAML_SECTION_ABSENT,
    FR_YAML_SECTION_EMPTY,   /* the key without a value */
    FR_YAML_SECTION_OWNED,   /* below the mark, or adopted */
    FR_YAML_SECTION_FOREIGN, /* the owner's: it is never changed */
};

struct fr_yaml_edit;

/* Read the file. A missing file is an empty document. NULL: the file cannot be read or is not a YAML
 * map in block style; `error` is set. The caller frees the edit with fr_yaml_edit_free(). */
struct fr_yaml_edit *fr_yaml_edit_open(const char *path, struct fr_error *error);
void fr_yaml_edit_free(struct fr_yaml_edit *edit);

/* The kind of a section, and its value: NULL if it is absent. The value is valid until the next
 * change. */
enum fr_yaml_section fr_yaml_edit_section(const struct fr_yaml_edit *edit, const char *section);
const struct fr_yaml *fr_yaml_edit_value(const struct fr_yaml_edit *edit, const char *section);

/* Treat a section of the owner as one that may be changed if its value equals the YAML text `value`,
 * e.g. the value in the file of the package. */
void fr_yaml_edit_adopt(struct fr_yaml_edit *edit, const char *section, const char *value);

/* Write a section with the value `value`, a YAML text such as "{port: 443}". Comments on lines of
 * their own stay, below the value. Returns 0, or -1 with `error` set: the section is the owner's, or
 * the position of the section is not clear. */
int fr_yaml_edit_set(struct fr_yaml_edit *edit, const char *section, const char *value,
                     struct fr_error *error);

/* Set one key of a section that is a map or absent; the other keys stay. NULL removes the key. Returns
 * as above. */
int fr_yaml_edit_put(struct fr_yaml_edit *edit, const char *section, const char *key,
                     const char *value, struct fr_error *error);

/* Append the lines of a section with the value `value` (YAML), as fr_yaml_edit_set() writes them. */
void fr_yaml_section_text(struct fr_buffer *out, const char *section, const char *value);

/* Append a text as a YAML scalar: plain if that is safe, else with quotes. */
void fr_yaml_scalar(struct fr_buffer *out, const char *text);

#endif
