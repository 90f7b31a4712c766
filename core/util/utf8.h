/* Validation of UTF-8 (RFC 3629). */
#ifndef FR_UTF8_CORE_H /* FR_UTF8_H is the guard of plugins/utf8.h */
#define FR_UTF8_CORE_H

#include <stddef.h>
#include <stdint.h>

/* Returns the length in bytes, 1 to 4, of the character at the start of `bytes`. Returns 0 if `len`
 * is 0 or the bytes are not valid UTF-8; overlong forms, surrogates and code points beyond U+10FFFF
 * are not valid. */
size_t fr_utf8_length(const uint8_t *bytes, size_t len);

#endif
