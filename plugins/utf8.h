/* utf8.h - text from outside, character by character. */
#ifndef FR_UTF8_H
#define FR_UTF8_H

#include <stddef.h>
#include <stdint.h>

#include "text_buffer.h"

/* The bytes of the character at the start of `text` and its code point; 0: the text is empty or
 * does not begin with valid UTF-8. */
size_t fr_utf8_next(const char *text, size_t len, uint32_t *code);

/* How many bytes of `text` fit in `max` bytes without cutting a character. */
size_t fr_utf8_cut(const char *text, size_t len, size_t max);

/* Append text; each byte that is not part of valid UTF-8 becomes U+FFFD. */
void fr_utf8_append(struct fr_text_buffer *out, const char *text, size_t len);

#endif
