/*
 * memory.h - small allocations.
 *
 * What is small and bounded by the configuration (names, tables, connections) comes from
 * here and ends the process with a message when memory is gone: nothing sensible could be
 * done, and the kernel would have killed us first. What a peer can make large comes from
 * malloc(3) and is checked where it is asked for.
 */
#ifndef FR_MEMORY_H
#define FR_MEMORY_H

#include <stddef.h>

/* Zeroed memory for count things of size bytes; the caller frees it with free(3). */
void *fr_calloc(size_t count, size_t size);

/* realloc(3) for count things of size bytes, overflow checked. */
void *fr_realloc(void *memory, size_t count, size_t size);

/* Copies of a text, the second of its first len bytes and a NUL. The caller frees them. */
char *fr_strdup(const char *text);
char *fr_strndup(const char *bytes, size_t len);

/* printf(3) to a fresh text that the caller frees. */
char *fr_asprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
