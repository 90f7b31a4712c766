/* files.h - folders. */
#ifndef FR_FILES_H
#define FR_FILES_H

#include "util/error.h"

/* Make a folder, mode 0750, and those above it that are not there. -1 and why: the first failure. */
int fr_make_folders(const char *path, struct fr_error *error);

/* Put the names in a folder on disk, so that they survive a power cut. -1, errno is set. */
int fr_sync_folder(const char *path);

#endif
