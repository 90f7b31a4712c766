/*
 * safe_name.h - names from outside (a VIN, a record type) as parts of file names and MQTT topics.
 *
 * Letters, digits, `_`, `-` and `.` stay; every other byte, and a dot at the start, becomes %XX.
 * Different names stay different. An empty name becomes "%".
 */
#ifndef FR_SAFE_NAME_H
#define FR_SAFE_NAME_H

#include "text_buffer.h"

void fr_safe_name(struct fr_text_buffer *out, const char *name);

#endif
