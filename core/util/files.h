/* Operations on folders and files. */
#ifndef FR_FILES_H
#define FR_FILES_H

#include <stddef.h>

#include "util/buffer.h"
#include "util/error.h"

/* Make the folder `path` and its missing parents, each with mode 0750. An existing folder is no
 * error. Returns 0, or -1 with the first failure in `error`. */
int fr_make_folders(const char *path, struct fr_error *error);

/* Sync the entries of a folder to disk, so that created, renamed and deleted files survive a power
 * cut. Returns 0, or -1 with errno set. */
int fr_sync_folder(const char *path);

/* Append the content of a file of at most `max` bytes to `out`. `flags`: of open(2), in addition, such
 * as O_NOFOLLOW. It does not wait for the writer of a FIFO. Returns 0, or -1 with errno set: EINVAL if
 * it is no regular file, EFBIG if it is larger; then `out` may have a part of it. */
int fr_read_file(const char *path, int flags, size_t max, struct fr_buffer *out);

#endif
