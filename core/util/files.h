/* Operations on folders. */
#ifndef FR_FILES_H
#define FR_FILES_H

#include "util/error.h"

/* Make the folder `path` and its missing parents, each with mode 0750. An existing folder is no
 * error. Returns 0, or -1 with the first failure in `error`. */
int fr_make_folders(const char *path, struct fr_error *error);

/* Sync the entries of a folder to disk, so that created, renamed and deleted files survive a power
 * cut. Returns 0, or -1 with errno set. */
int fr_sync_folder(const char *path);

#endif
