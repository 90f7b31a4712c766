/*
 * Writes a YAML tree as text, in the style of the shipped files: maps in block style; the maps and
 * lists inside a list in flow style.
 */
#ifndef FR_YAML_EMIT_H
#define FR_YAML_EMIT_H

#include "config/yaml_tree.h"
#include "util/buffer.h"

/* Append a text as a YAML scalar that is read back as the same text: plain if that is safe, else in
 * double quotes. */
void fr_yaml_emit_scalar(struct fr_buffer *out, const char *text, bool quoted);

/* Append the value of a key that was written as "KEY:", with its final newline. `indent` is the
 * column of the key, from 0. */
void fr_yaml_emit_value(struct fr_buffer *out, const struct fr_yaml *value, int indent);

#endif
