/* Writes a file in one step: other processes and a power cut leave the whole file or none of it. */
#ifndef FR_ATOMIC_FILE_H
#define FR_ATOMIC_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "util/error.h"

struct fr_file_owner {
    uid_t uid;
    gid_t gid;
};

struct fr_atomic_file {
    const char *path;
    mode_t mode; /* permissions of the file; the umask does not restrict them */
    const struct fr_file_owner *owner; /* NULL: the user of this process */
    bool may_replace; /* false: an existing file, also a symbolic link, is an error */
};

/* Write `len` bytes to a temporary file in the folder of `file->path`, sync the file, rename the file
 * to the path and sync the folder. A failure leaves the path unchanged and no temporary file; only if
 * the sync of the folder fails, the file exists already. Any thread. Returns 0, or -1 with the path,
 * the cause and the remedy in `error`. */
int fr_atomic_file_write(const struct fr_atomic_file *file, const void *bytes, size_t len,
                         struct fr_error *error);

/* The folder of a path: "." for a path without a slash. The caller frees the text. */
char *fr_path_folder(const char *path);

/* Remove the unfinished files that killed processes left beside `path`: they can have secrets. The
 * caller is the only process that writes `path` now. Failures are ignored. Linear in the files of the
 * folder. Any thread. */
void fr_atomic_file_remove_unfinished(const char *path);

#endif
