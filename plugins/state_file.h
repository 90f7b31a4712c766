/*
 * A small file in a sink's state folder. The file is replaced atomically: after a power failure it
 * has its old or its new content. Error messages contain the cause and a remedy. The functions
 * block on the disk; any thread may call them.
 */
#ifndef FR_STATE_FILE_H
#define FR_STATE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "text_buffer.h"

/*
 * Write PATH.new (mode 0600), sync it, rename it to PATH and sync the folder. `why` is cleared
 * first. Returns false on failure: `why` contains the path, the cause and the remedy, and the file
 * has its old or its new content.
 */
bool fr_state_file_write(const char *path, const void *bytes, size_t len,
                         struct fr_text_buffer *why);

/*
 * Read the file into `content`, which is cleared first and which the caller frees. A file of more
 * than `max` bytes is an error. `why` is cleared first. Returns false if the file does not exist
 * (`why` is empty) or cannot be read (`why` contains the path and the cause).
 */
bool fr_state_file_read(const char *path, size_t max, struct fr_text_buffer *content,
                        struct fr_text_buffer *why);

#endif
