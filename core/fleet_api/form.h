/* Text in the form application/x-www-form-urlencoded, for links and for token requests. */
#ifndef FR_FORM_H
#define FR_FORM_H

#include <stdbool.h>
#include <stddef.h>

#include "util/buffer.h"

/* Append NAME=VALUE, after a '&' if `out` ends with neither '?' nor nothing. The caller reserves
 * memory first if the value is a secret. */
void fr_form_put(struct fr_buffer *out, const char *name, const char *value);

/* Read a member of a form or query of `len` bytes. Returns its decoded value, which the caller frees;
 * NULL: it is missing, occurs twice, or has a NUL or a malformed escape. */
char *fr_form_get(const char *form, size_t len, const char *name);

#endif
