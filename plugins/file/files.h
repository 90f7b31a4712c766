/*
 * The files of a sink: opens, writes, syncs, rotates and closes them, and answers the deliveries.
 * All functions run on the sink's thread.
 */
#ifndef FR_FILE_FILES_H
#define FR_FILE_FILES_H

#include "out_table.h"
#include "rotated.h"

enum fr_fsync { FR_FSYNC_BATCH, FR_FSYNC_INTERVAL, FR_FSYNC_NEVER };

/* The creator sets the members up to `rotated`, and open_max; the others start as zero. */
struct fr_files {
    struct fr_sink *sink;
    const struct fr_host *host;
    enum fr_fsync fsync;
    int64_t rotate_size, rotate_every_ms; /* 0: never */
    const char *pattern;
    struct fr_rotated *rotated;

    struct fr_out_table table;
    size_t open_max, open;
    struct fr_out *dirty; /* files with gathered bytes, linked by next_dirty */
    size_t gathered;      /* bytes in all dirty files */
    bool down, degraded;  /* reported since fr_files_begin() */
    uint64_t lost;        /* number of files that were moved or deleted while open */
    uint64_t lost_now[2]; /* since the last fr_files_maintain(): moved, deleted */
};

/* Begin a batch: reset `down` and `degraded`. */
void fr_files_begin(struct fr_files *files);

/* Gather the bytes of a delivery for a path; they are copied. `binary`: length-delimited protobuf.
 * The delivery is answered now or later. */
void fr_files_gather(struct fr_files *files, const char *path, bool binary, const void *bytes,
                     size_t len, struct fr_delivery *delivery);

/* Write all gathered bytes, sync with FR_FSYNC_BATCH, and rotate what is due. */
void fr_files_write(struct fr_files *files);

/* Sync all written bytes and answer their deliveries. */
void fr_files_sync(struct fr_files *files);

/* Rotate what is due, and detect open files that were moved or deleted. Call about once a
 * second. */
void fr_files_maintain(struct fr_files *files);

/* Sync and close all files. */
void fr_files_end(struct fr_files *files);

#endif
