/*
 * The password file of a plugin that logs in to a server. Any thread.
 */
#ifndef FR_PASSWORD_FILE_H
#define FR_PASSWORD_FILE_H

#include <stdbool.h>
#include <stddef.h>

#define FR_PASSWORD_SIZE 1024 /* bytes, with NUL */

/* Read the first line of a file into `password`, which the caller overwrites after use. False, with a
 * message in `why` that names the file: it cannot be read, is no regular file, is empty, has more than
 * 64 KiB, or the line is too long. */
bool fr_password_read(const char *path, char password[FR_PASSWORD_SIZE], char *why,
                      size_t why_size);

#endif
