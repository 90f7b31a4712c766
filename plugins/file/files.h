/*
 * files.h - the files that a sink writes: which is open, when each is written, synced, rotated and
 * looked after, and what the deliveries are answered.
 */
#ifndef FR_FILES_H
#define FR_FILES_H

#include "out_table.h"
#include "rotated.h"

enum fr_fsync { FR_FSYNC_BATCH, FR_FSYNC_INTERVAL, FR_FSYNC_NEVER };

struct fr_files {
    struct fr_sink *sink;
    const struct fr_host *host;
    enum fr_fsync fsync;
    int64_t rotate_size, rotate_every_ms; /* 0: never */
    const char *pattern;
    struct fr_rotated *rotated;

    struct fr_out_table table;
    size_t open_max, open;
    struct fr_out *dirty; /* those with gathered bytes */
    size_t gathered;      /* bytes */
    bool down, degraded;  /* something failed since fr_files_begin() */
    uint64_t gone;        /* files that were moved or deleted while they were open */
    uint64_t gone_now[2]; /* since the last fr_files_look_after(): moved, deleted */
};

/* Before a batch: forget what failed in the one before. */
void fr_files_begin(struct fr_files *files);

/* Gather a delivery's bytes for a path. It is answered by then, or later. */
void fr_files_gather(struct fr_files *files, const char *path, bool binary, const void *bytes,
                     size_t len, struct fr_delivery *delivery);

/* Write what is gathered, and sync if the option says so. */
void fr_files_write(struct fr_files *files);

/* Sync all that is written. */
void fr_files_sync(struct fr_files *files);

/* Rotate what is due, and look whether the open files are still at their paths. */
void fr_files_look_after(struct fr_files *files);

/* Sync and close everything. */
void fr_files_end(struct fr_files *files);

#endif
