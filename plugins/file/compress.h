/*
 * Compresses rotated files one after another, in small steps on the sink's event base.
 *
 * The compressed file replaces the original when it is complete and synced. A file is locked with
 * flock() while it is compressed, so that two sinks with the same folder do not compress it twice.
 *
 * All functions and callbacks run on the sink's thread.
 */
#ifndef FR_COMPRESS_H
#define FR_COMPRESS_H

#include "fleetroute/plugin.h"

#define FR_COMPRESS_WAITING_MAX 1024 /* files */

enum fr_compression { FR_COMPRESS_NONE, FR_COMPRESS_GZIP, FR_COMPRESS_ZSTD };

struct fr_compress;

/* Create a queue. `emptied` is called when the last waiting file is finished. NULL: no memory. */
struct fr_compress *fr_compress_new(struct fr_sink *sink, const struct fr_host *host,
                                    enum fr_compression method, void (*emptied)(void *ctx),
                                    void *ctx);

/* Stop. The original of the file in progress is kept, its partial result removed. NULL is
 * allowed. */
void fr_compress_free(struct fr_compress *compress);

/* Add a file to the queue; the path is copied. False: the queue is full, or no memory. */
bool fr_compress_add(struct fr_compress *compress, const char *path);

#endif
