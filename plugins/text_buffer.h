/*
 * text_buffer.h - text that grows at its end, for the plugins: every text with a part from outside
 * is formatted here, so that no length is computed by hand.
 */
#ifndef FR_TEXT_BUFFER_H
#define FR_TEXT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

/*
 * All zero is an empty text that owns nothing. When memory is gone `failed` is set and every later
 * append does nothing, so one check at the end is enough.
 */
struct fr_text_buffer {
    char *bytes; /* NUL-terminated while not NULL */
    size_t len;  /* without the NUL */
    size_t size; /* bytes allocated */
    bool failed;
};

/* Free the memory; the buffer is empty and usable again. */
void fr_text_buffer_free(struct fr_text_buffer *text);

/* Drop the content and `failed`. Memory up to 256 kB is kept, more is freed. */
void fr_text_buffer_clear(struct fr_text_buffer *text);

/* Append bytes, a NUL-terminated text, one byte, or printf(3)'s result. */
void fr_text_buffer_append(struct fr_text_buffer *text, const void *bytes, size_t len);
void fr_text_buffer_add(struct fr_text_buffer *text, const char *more);
void fr_text_buffer_byte(struct fr_text_buffer *text, char byte);
void fr_text_buffer_printf(struct fr_text_buffer *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The content as a C string, valid until the next call with this buffer. Never NULL: "" when it is
 * empty or has failed. */
const char *fr_text_buffer_string(const struct fr_text_buffer *text);

#endif
