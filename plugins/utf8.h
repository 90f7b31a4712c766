/*
 * UTF-8 text from outside: decode, cut and repair. The functions have no state; any thread may call
 * them.
 */
#ifndef FR_PLUGIN_UTF8_H
#define FR_PLUGIN_UTF8_H

#include <stddef.h>
#include <stdint.h>

#include "text_buffer.h"

/*
 * Decode the character at the start of `text` (`len` bytes) to the code point *code. Returns its
 * length in bytes, or 0 if the text is empty or does not begin with valid UTF-8 (RFC 3629).
 */
size_t fr_utf8_next(const char *text, size_t len, uint32_t *code);

/* The length in bytes of the longest prefix of `text` that fits in `max` bytes and ends between two
 * characters. */
size_t fr_utf8_cut(const char *text, size_t len, size_t max);

/* Append `text` (`len` bytes) to `out`. Each byte that is not part of valid UTF-8 becomes U+FFFD.
 */
void fr_utf8_append(struct fr_text_buffer *out, const char *text, size_t len);

#endif
