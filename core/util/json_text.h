/* json_text.h - text as JSON has it. */
#ifndef FR_JSON_TEXT_H
#define FR_JSON_TEXT_H

#include "util/buffer.h"

/* Append a string, which must be UTF-8, with its quotes; what JSON or a terminal could take amiss
 * is escaped. */
void fr_json_string(struct fr_buffer *out, const char *text, size_t len);

#endif
