#include "util/buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fr_buffer_free(struct fr_buffer *buffer)
{
    free(buffer->bytes);
    memset(buffer, 0, sizeof *buffer);
}

static void buffer_empty(struct fr_buffer *buffer)
{
    buffer->len = 0;
    if (buffer->capacity > FR_BUFFER_KEEP_MAX) {
        free(buffer->bytes);
        buffer->bytes = NULL;
        buffer->capacity = 0;
    }
}

void fr_buffer_clear(struct fr_buffer *buffer)
{
    buffer_empty(buffer);
    buffer->failed = false;
}

uint8_t *fr_buffer_reserve(struct fr_buffer *buffer, size_t len)
{
    size_t capacity;
    uint8_t *bytes;

    assert(buffer->len <= buffer->capacity);
    if (buffer->failed)
        return NULL;
    if (buffer->capacity - buffer->len >= len)
        return buffer->bytes + buffer->len;
    if (len > SIZE_MAX / 2 - buffer->len)
        goto failed;
    capacity = buffer->capacity ? buffer->capacity : 256;
    while (capacity < buffer->len + len)
        capacity *= 2;
    bytes = realloc(buffer->bytes, capacity);
    if (bytes == NULL)
        goto failed;
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return bytes + buffer->len;
failed:
    buffer->failed = true;
    return NULL;
}

void fr_buffer_append(struct fr_buffer *buffer, const void *bytes, size_t len)
{
    uint8_t *to;

    if (len == 0)
        return;
    to = fr_buffer_reserve(buffer, len);
    if (to != NULL) {
        memcpy(to, bytes, len);
        buffer->len += len;
    }
}

void fr_buffer_text(struct fr_buffer *buffer, const char *text)
{
    fr_buffer_append(buffer, text, strlen(text));
}

void fr_buffer_byte(struct fr_buffer *buffer, uint8_t byte)
{
    fr_buffer_append(buffer, &byte, 1);
}

void fr_buffer_printf(struct fr_buffer *buffer, const char *format, ...)
{
    char small[256];
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(small, sizeof small, format, ap);
    va_end(ap);
    if (n < 0)
        return;
    if ((size_t)n < sizeof small) {
        fr_buffer_append(buffer, small, (size_t)n);
        return;
    }
    if (fr_buffer_reserve(buffer, (size_t)n + 1) == NULL)
        return;
    va_start(ap, format);
    vsnprintf((char *)buffer->bytes + buffer->len, (size_t)n + 1, format, ap);
    va_end(ap);
    buffer->len += (size_t)n;
}

void fr_buffer_drop(struct fr_buffer *buffer, size_t len)
{
    if (len >= buffer->len) {
        buffer_empty(buffer);
        return;
    }
    memmove(buffer->bytes, buffer->bytes + len, buffer->len - len);
    buffer->len -= len;
}

const char *fr_buffer_string(struct fr_buffer *buffer)
{
    if (fr_buffer_reserve(buffer, 1) == NULL)
        return "";
    buffer->bytes[buffer->len] = '\0';
    return (const char *)buffer->bytes;
}
