/*
 * state_file.h - a small file in a sink's state folder: whole or absent, also after a power cut, and
 * with a reason and a remedy where the disk fails.
 */
#ifndef FR_STATE_FILE_H
#define FR_STATE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "text_buffer.h"

/* Write it under PATH.new, sync, rename and sync the folder. False: `why` (emptied first) has the
 * path, the cause and the remedy; the file may be the old one or the new one. */
bool fr_state_file_write(const char *path, const void *bytes, size_t len,
                         struct fr_text_buffer *why);

/* Read it, at most `most` bytes; the caller frees `content`. False: there is none, and `why` (emptied
 * first) is empty; or it cannot be read, and `why` has the path and the cause. */
bool fr_state_file_read(const char *path, size_t most, struct fr_text_buffer *content,
                        struct fr_text_buffer *why);

#endif
