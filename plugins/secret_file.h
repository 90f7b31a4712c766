/*
 * Secrets in files: passwords, tokens, values of headers. The functions block on the disk, never on a FIFO;
 * any thread may call them. The messages in `why` name the file, the cause and the remedy, never the
 * content.
 */
#ifndef FR_SECRET_FILE_H
#define FR_SECRET_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "text_buffer.h"

#define FR_SECRET_FILE_MAX 65536 /* bytes of a file */

/* Read the whole file into `content`, which the caller erases with fr_secret_erase(). False, with `why`:
 * the file cannot be read, is no regular file, has more than FR_SECRET_FILE_MAX bytes, or has one of the
 * bits `forbidden` in its mode. */
bool fr_secret_read(const char *path, mode_t forbidden, struct fr_text_buffer *content, char *why,
                    size_t why_size);

/* Overwrite and free the content. */
void fr_secret_erase(struct fr_text_buffer *content);

#endif
