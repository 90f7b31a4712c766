/*
 * Secrets in files: the first line of a file, which other users must not be able to read. The functions
 * block on the disk; any thread may call them.
 */
#ifndef FR_HTTP_SECRET_H
#define FR_HTTP_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "secret_file.h"

/* Read the whole file into `content`, which the caller erases with fr_secret_erase(). False, with the path,
 * the cause and the remedy in `why`: it cannot be read, it has more than 64 KB, or it is readable by
 * others (mode & 007). */
bool secret_read_file(const char *path, struct fr_text_buffer *content, char *why, size_t why_size);

/* As secret_read_file(), but only the first line; it must not be empty, and has no control characters. */
bool secret_read_line(const char *path, struct fr_text_buffer *line, char *why, size_t why_size);

#endif
