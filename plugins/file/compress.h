/*
 * compress.h - compresses rotated files one after the other, in small steps on the sink's event base.
 *
 * The compressed file takes the place of the original when it is whole and on disk. A file is locked
 * (flock) while it is compressed, so that two sinks that write to one folder do not take one twice.
 */
#ifndef FR_COMPRESS_H
#define FR_COMPRESS_H

#include "fleetroute/plugin.h"

#define FR_COMPRESS_WAITING_MAX 1024

enum fr_compression { FR_COMPRESS_NONE, FR_COMPRESS_GZIP, FR_COMPRESS_ZSTD };

struct fr_compress;

/* `emptied` is called when the last file that waited is done. NULL: no memory. */
struct fr_compress *fr_compress_new(struct fr_sink *sink, const struct fr_host *host,
                                    enum fr_compression method, void (*emptied)(void *ctx),
                                    void *ctx);

/* Stops; the file that is being compressed stays as it is. NULL is allowed. */
void fr_compress_free(struct fr_compress *compress);

/* Let a file wait for its turn. False: too many wait, or no memory. */
bool fr_compress_add(struct fr_compress *compress, const char *path);

#endif
