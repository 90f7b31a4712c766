/*
 * error.h - the one way in which a function says what went wrong.
 *
 * A function that can fail returns 0 or -1 (or a pointer or NULL) and fills the
 * struct fr_error that it was handed. The message names the thing, the place and the
 * remedy, in a form that can be shown to an administrator as it is.
 */
#ifndef FR_ERROR_H
#define FR_ERROR_H

#include <stdarg.h>

struct fr_error {
    char text[1024];
};

/* Set the message. Returns -1, so that `return fr_error_set(...)` reads well. */
int fr_error_set(struct fr_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Put "context: " before a message that a callee has set. Returns -1. */
int fr_error_wrap(struct fr_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
