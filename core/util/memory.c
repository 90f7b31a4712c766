#include "util/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *memory_or_die(void *memory)
{
    if (memory == NULL) {
        fputs("fleetroute: out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *fr_calloc(size_t count, size_t size)
{
    return memory_or_die(calloc(count ? count : 1, size ? size : 1));
}

void *fr_realloc(void *memory, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        memory_or_die(NULL);
    return memory_or_die(realloc(memory, count != 0 && size != 0 ? count * size : 1));
}

char *fr_strdup(const char *text)
{
    return fr_strndup(text, strlen(text));
}

char *fr_strndup(const char *bytes, size_t len)
{
    char *copy = memory_or_die(malloc(len + 1));

    if (len != 0)
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}

char *fr_asprintf(const char *format, ...)
{
    va_list ap;
    char *text = NULL;

    va_start(ap, format);
    if (vasprintf(&text, format, ap) < 0)
        text = NULL;
    va_end(ap);
    return memory_or_die(text);
}
