/* Reads a file with a secret, to which only its owner may have access; erases secrets. */
#ifndef FR_SECRET_FILE_H
#define FR_SECRET_FILE_H

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

#include "util/error.h"

enum fr_secret_file_result {
    FR_SECRET_FILE_READ,
    FR_SECRET_FILE_MISSING, /* there is no file */
    FR_SECRET_FILE_REFUSED, /* the file cannot be used; the error is set */
};

/* Read a regular file of 1 to `max` bytes, mode 0600 or less, that belongs to root or to this user.
 * `*text` is NUL-terminated; the caller erases and frees it with fr_secret_free(). `*len` (may be NULL)
 * gets the number of bytes. An error names the file, the cause and the remedy, never the content. */
enum fr_secret_file_result fr_secret_file_read(const char *path, size_t max, char **text,
                                               size_t *len, struct fr_error *error);

/* Read at most `max` bytes of an open file. Returns their number, or -1 with errno set. */
ssize_t fr_secret_file_bytes(int fd, char *bytes, size_t max);

/* Erase and free a NUL-terminated secret. NULL is ignored. */
void fr_secret_free(char *secret);

/* Erase the texts that are members of an object, before it is released. NULL is ignored. */
void fr_secret_erase_members(json_t *object);

#endif
