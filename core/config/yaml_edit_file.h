/*
 * The file of yaml_edit.h: reads it, and replaces it in one step, after a check of the new text. The
 * old text stays in PATH.old. One thread.
 */
#ifndef FR_YAML_EDIT_FILE_H
#define FR_YAML_EDIT_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "util/atomic_file.h"
#include "util/buffer.h"
#include "util/error.h"

struct fr_yaml_edit;

/* Append the file to `text`. A missing file is an empty text, and *exists is false. Returns 0, or -1
 * with `error` set: no regular file, longer than 1 MiB, or not readable. */
int fr_yaml_edit_read(const char *path, struct fr_buffer *text, bool *exists, struct stat *file,
                      struct fr_error *error);

/* Replace the file: write the new text beside it, run check() on that path, keep the old text in
 * PATH.old, rename. Nothing happens if the text is unchanged. An existing file keeps its mode and
 * owner; a new one gets `mode` and `owner` (NULL: the user of this process). Returns 0, or -1 with
 * `error` set and the file unchanged; also if the file was changed after fr_yaml_edit_open(). */
int fr_yaml_edit_save(struct fr_yaml_edit *edit, mode_t mode, const struct fr_file_owner *owner,
                      int (*check)(const char *path, void *ctx, struct fr_error *error), void *ctx,
                      struct fr_error *error);

#endif
