/* Allocations that end the process with a message if memory is exhausted. They are for objects
 * whose size is bounded by the configuration (names, tables, connections). Memory whose size a peer
 * controls comes from malloc(3), and the caller handles the failure. */
#ifndef FR_MEMORY_H
#define FR_MEMORY_H

#include <stddef.h>

/* Zeroed memory for `count` objects of `size` bytes. The caller frees it with free(3). */
void *fr_calloc(size_t count, size_t size);

/* realloc(3) for `count` objects of `size` bytes, with a check for overflow. */
void *fr_realloc(void *memory, size_t count, size_t size);

/* A copy of a text, and a NUL-terminated copy of `len` bytes. The caller frees the copy. */
char *fr_strdup(const char *text);
char *fr_strndup(const char *bytes, size_t len);

/* A new text from a printf(3) format. The caller frees the text. */
char *fr_asprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
