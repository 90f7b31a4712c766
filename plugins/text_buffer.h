/*
 * A growing text for the plugins. Every text with a part from outside is formatted here, so that
 * no length is computed by hand. A buffer belongs to one thread at a time.
 */
#ifndef FR_TEXT_BUFFER_H
#define FR_TEXT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A zeroed buffer is empty and owns no memory. If an allocation fails, `failed` is set and later
 * appends do nothing, so that one check at the end is enough.
 */
struct fr_text_buffer {
    char *bytes; /* owned; NUL-terminated; NULL: no memory allocated */
    size_t len;  /* bytes, without the NUL */
    size_t size; /* bytes allocated */
    bool failed;
};

/* Free the memory. The buffer is then empty and can be used again. */
void fr_text_buffer_free(struct fr_text_buffer *text);

/* Make the buffer empty and reset `failed`. Memory of up to 256 KiB is kept, more is freed. */
void fr_text_buffer_clear(struct fr_text_buffer *text);

/* Append bytes, a NUL-terminated text, one byte, or the result of printf(3). On failure, `failed`
 * is set. */
void fr_text_buffer_append(struct fr_text_buffer *text, const void *bytes, size_t len);
void fr_text_buffer_add(struct fr_text_buffer *text, const char *more);
void fr_text_buffer_byte(struct fr_text_buffer *text, char byte);
void fr_text_buffer_printf(struct fr_text_buffer *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The content as a C string, owned by the buffer and valid until the next call with it. Returns "",
 * never NULL, for a buffer that is empty or has failed. */
const char *fr_text_buffer_string(const struct fr_text_buffer *text);

#endif
