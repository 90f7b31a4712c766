#include "util/error.h"

#include <stdio.h>
#include <string.h>

int fr_error_set(struct fr_error *error, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(error->text, sizeof error->text, format, ap);
    va_end(ap);
    return -1;
}

int fr_error_wrap(struct fr_error *error, const char *format, ...)
{
    char inner[sizeof error->text];
    va_list ap;
    int n;

    memcpy(inner, error->text, sizeof inner);
    va_start(ap, format);
    n = vsnprintf(error->text, sizeof error->text, format, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof error->text)
        snprintf(error->text + n, sizeof error->text - (size_t)n, ": %s", inner);
    return -1;
}
