#include "text_buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 128  /* bytes of the first allocation */
#define KEEP_MAX 262144 /* bytes of memory kept by fr_text_buffer_clear() */

void fr_text_buffer_free(struct fr_text_buffer *text)
{
    free(text->bytes);
    *text = (struct fr_text_buffer){0};
}

void fr_text_buffer_clear(struct fr_text_buffer *text)
{
    if (text->size > KEEP_MAX)
        fr_text_buffer_free(text);
    text->len = 0;
    text->failed = false;
    if (text->bytes != NULL)
        text->bytes[0] = '\0';
}

/* Ensure capacity for `len` more bytes and a NUL. Returns false, with `failed` set, without memory.
 */
static bool text_buffer_reserve(struct fr_text_buffer *text, size_t len)
{
    size_t size = text->size != 0 ? text->size : FIRST_SIZE;
    char *bytes;

    if (text->failed)
        return false;
    if (len >= SIZE_MAX / 4 - text->len) {
        text->failed = true;
        return false;
    }
    while (size <= text->len + len)
        size *= 2;
    if (size == text->size)
        return true;
    bytes = realloc(text->bytes, size);
    if (bytes == NULL) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    text->size = size;
    return true;
}

void fr_text_buffer_append(struct fr_text_buffer *text, const void *bytes, size_t len)
{
    if (!text_buffer_reserve(text, len))
        return;
    if (len != 0)
        memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
    text->bytes[text->len] = '\0';
}

void fr_text_buffer_add(struct fr_text_buffer *text, const char *more)
{
    fr_text_buffer_append(text, more, strlen(more));
}

void fr_text_buffer_byte(struct fr_text_buffer *text, char byte)
{
    fr_text_buffer_append(text, &byte, 1);
}

void fr_text_buffer_printf(struct fr_text_buffer *text, const char *format, ...)
{
    char *made = NULL;
    va_list ap;
    int len;

    va_start(ap, format);
    len = vasprintf(&made, format, ap);
    va_end(ap);
    if (len < 0) {
        text->failed = true;
        return;
    }
    fr_text_buffer_append(text, made, (size_t)len);
    free(made);
}

const char *fr_text_buffer_string(const struct fr_text_buffer *text)
{
    return text->failed || text->bytes == NULL ? "" : text->bytes;
}
