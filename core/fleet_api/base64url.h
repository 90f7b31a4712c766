/* base64url without padding (RFC 7515), as JSON Web Signatures use it. */
#ifndef FR_BASE64URL_H
#define FR_BASE64URL_H

#include <stddef.h>

/* Returns the text for `len` bytes, which the caller frees. Any thread. */
char *fr_base64url(const void *bytes, size_t len);

/* Decode `len` characters. Returns the bytes with a NUL behind them, which the caller frees, and
 * their number in `*size`; NULL if the text is not base64url. Any thread. */
char *fr_base64url_decode(const char *text, size_t len, size_t *size);

#endif
