/*
 * Names from outside (a VIN, a record type) as parts of file names and MQTT topics.
 *
 * Letters, digits, `_`, `-` and `.` are kept. Every other byte, and a leading dot, becomes %XX.
 * Different names have different results. An empty name becomes "%".
 */
#ifndef FR_SAFE_NAME_H
#define FR_SAFE_NAME_H

#include "text_buffer.h"

/* Append the escaped form of `name` to `out`. Without memory, `out->failed` is set. Any thread. */
void fr_safe_name(struct fr_text_buffer *out, const char *name);

#endif
