/* Error messages. A function that can fail returns 0 or -1 (or a pointer or NULL) and writes a
 * message to the struct fr_error of its caller. The message names the object, the position in the
 * file if there is one, the cause and the remedy, and can be displayed to an administrator
 * unchanged. */
#ifndef FR_ERROR_H
#define FR_ERROR_H

#include <stdarg.h>

struct fr_error {
    char text[1024]; /* NUL-terminated; a longer message is cut */
};

/* Set the message from a printf(3) format. Always returns -1, for `return fr_error_set(...)`. */
int fr_error_set(struct fr_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Prefix the message that a callee has set with "context: ", where the context is a printf(3)
 * format. Always returns -1. */
int fr_error_wrap(struct fr_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
