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
    char inner[sizeof error->text], context[sizeof error->text];
    va_list ap;

    memcpy(inner, error->text, sizeof inner);
    va_start(ap, format);
    vsnprintf(context, sizeof context, format, ap);
    va_end(ap);
    if (snprintf(error->text, sizeof error->text, "%s: %s", context, inner) < 0)
        error->text[0] = '\0';
    return -1;
}
