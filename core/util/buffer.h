/* buffer.h - bytes that grow at the end and are taken from the front. */
#ifndef FR_BUFFER_H
#define FR_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * All zero is an empty buffer that owns nothing. Appending never fails half-way: when
 * memory is gone `failed` is set, the bytes are left out and every later append is too.
 */
struct fr_buffer {
    uint8_t *bytes;
    size_t len;
    size_t room;
    bool failed;
};

/* Give the memory back; the buffer is empty and usable again. */
void fr_buffer_free(struct fr_buffer *buffer);

/* Forget the content. Memory up to FR_BUFFER_KEEP_MAX bytes is kept, more is freed. */
#define FR_BUFFER_KEEP_MAX 262144
void fr_buffer_clear(struct fr_buffer *buffer);

/* Make room for len more bytes and return where they go, or NULL when memory is gone.
 * The caller writes up to len bytes there and adds what it wrote to buffer->len. */
uint8_t *fr_buffer_reserve(struct fr_buffer *buffer, size_t len);

/* Append bytes, a NUL-terminated text, one byte, or printf(3)'s result (without its NUL). */
void fr_buffer_append(struct fr_buffer *buffer, const void *bytes, size_t len);
void fr_buffer_text(struct fr_buffer *buffer, const char *text);
void fr_buffer_byte(struct fr_buffer *buffer, uint8_t byte);
void fr_buffer_printf(struct fr_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Drop len bytes from the front. A buffer that becomes empty keeps memory as fr_buffer_clear(). */
void fr_buffer_drop(struct fr_buffer *buffer, size_t len);

/* The content as a C string: a NUL is kept behind it. Never NULL. */
const char *fr_buffer_string(struct fr_buffer *buffer);

#endif
