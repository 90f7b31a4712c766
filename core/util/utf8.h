/* utf8.h - UTF-8, one character at a time. */
#ifndef FR_UTF8_CORE_H
#define FR_UTF8_CORE_H

#include <stddef.h>
#include <stdint.h>

/* The bytes of the character at the start of `bytes`; 0: it is no valid UTF-8 (overlong forms,
 * surrogates and code points beyond U+10FFFF are not), or there is nothing. */
size_t fr_utf8_length(const uint8_t *bytes, size_t len);

#endif
