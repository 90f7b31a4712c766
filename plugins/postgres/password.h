/*
 * The password file. Any thread.
 */
#ifndef FR_POSTGRES_PASSWORD_H
#define FR_POSTGRES_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

#define PASSWORD_SIZE 1024 /* bytes, with NUL */

/* Read the first line of a file into `password`, which the caller overwrites after use. False, with a
 * message in `why` that names the file: it cannot be read, or is empty. */
bool password_read(const char *path, char password[PASSWORD_SIZE], char *why, size_t why_size);

#endif
