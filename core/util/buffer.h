/* A byte buffer: bytes are appended at the end and dropped from the front. */
#ifndef FR_BUFFER_H
#define FR_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A buffer whose members are all zero is empty and owns no memory. If an allocation fails, `failed`
 * is set, and that append and all later ones add nothing, so a caller checks `failed` once after
 * the last append. A buffer is used by one thread at a time. */
struct fr_buffer {
    uint8_t *bytes;
    size_t len;
    size_t capacity;
    bool failed;
};

/* Free the memory and reset the buffer to its initial state. */
void fr_buffer_free(struct fr_buffer *buffer);

/* Remove the content and reset `failed`. Memory of up to FR_BUFFER_KEEP_MAX bytes is kept for
 * reuse; a larger block is freed. */
#define FR_BUFFER_KEEP_MAX 262144
void fr_buffer_clear(struct fr_buffer *buffer);

/* Reserve capacity for `len` more bytes. Returns the address behind the content, or NULL if memory
 * is exhausted. The caller writes up to `len` bytes there and adds their number to buffer->len. */
uint8_t *fr_buffer_reserve(struct fr_buffer *buffer, size_t len);

/* Append `len` bytes, a NUL-terminated text, one byte, or the output of printf(3), each without a
 * terminating NUL. */
void fr_buffer_append(struct fr_buffer *buffer, const void *bytes, size_t len);
void fr_buffer_text(struct fr_buffer *buffer, const char *text);
void fr_buffer_byte(struct fr_buffer *buffer, uint8_t byte);
void fr_buffer_printf(struct fr_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Drop `len` bytes from the front; all bytes if `len` exceeds the length. A buffer that becomes
 * empty keeps its memory like fr_buffer_clear(). */
void fr_buffer_drop(struct fr_buffer *buffer, size_t len);

/* Returns the content as a C string: writes a NUL behind the content, which does not count in
 * buffer->len. Returns "" if memory is exhausted; never NULL. Valid until the next change. */
const char *fr_buffer_string(struct fr_buffer *buffer);

#endif
