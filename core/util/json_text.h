/* json_text.h - text as JSON has it. */
#ifndef FR_JSON_TEXT_H
#define FR_JSON_TEXT_H

#include "util/buffer.h"

/* Append a string with its quotes. Each byte that is not part of valid UTF-8 becomes U+FFFD, and
 * what JSON or a terminal could take amiss is escaped: the result is valid JSON for any bytes. */
void fr_json_string(struct fr_buffer *out, const char *text, size_t len);

#endif
