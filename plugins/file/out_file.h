/*
 * out_file.h - one file of the sink: bytes that are gathered, written and synced, and the deliveries
 * that wait for each step. Used on the sink's thread.
 */
#ifndef FR_OUT_FILE_H
#define FR_OUT_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fleetroute/plugin.h"

/* Deliveries in order, linked by their plugin_data. */
struct fr_out_list {
    struct fr_delivery *first, *last;
    size_t count;
};

struct fr_out {
    char *path;
    int fd;            /* -1: closed */
    bool binary;       /* length-delimited protobuf, not lines */
    off_t size;        /* after what was written as a whole */
    off_t synced;      /* up to here a sync succeeded, or the file was opened */
    int64_t opened_ms; /* when the file was begun */
    dev_t device;
    bool
        end_unknown; /* a failed write or sync may have left half a record: the next open reads the end */
    ino_t inode; /* of the file when it was last open; 0: it was never */
    bool unsynced;
    bool torn; /* a write failed and its part could not be taken out again */

    char *bytes; /* not yet written */
    size_t len, room;
    struct fr_out_list gathered; /* whose bytes they are */
    struct fr_out_list written;  /* written, waiting for a sync */

    /* out_table.h */
    struct fr_out *next_in_bucket;
    struct fr_out *newer, *older; /* all, by their last use */
    struct fr_out *next_dirty;    /* those with gathered bytes */
    bool dirty;
};

/* What is at the file's path now. */
enum fr_out_identity { FR_OUT_SAME, FR_OUT_MOVED, FR_OUT_DELETED };

/* NULL: no memory. */
struct fr_out *fr_out_new(const char *path, bool binary);

/* Closes it; it must have no deliveries. */
void fr_out_free(struct fr_out *out);

/* Open or make the file, with its folders, and mend its end if a crash left half a record there;
 * `*mended` says so. -1 and errno. */
int fr_out_open(struct fr_out *out, bool *mended);
void fr_out_close(struct fr_out *out);

/* Gather a delivery's bytes: a line, or a length and a message. False: no memory, nothing was taken. */
bool fr_out_gather(struct fr_out *out, const void *bytes, size_t len, struct fr_delivery *delivery);

/* Write what is gathered; its deliveries then wait for the sync. -1 and errno: the file is as it was
 * and the deliveries are gathered no more but in *failed. */
int fr_out_write(struct fr_out *out, struct fr_out_list *failed);

/* Begin to write back, so that several files can be synced together. */
void fr_out_begin_sync(const struct fr_out *out);

/* Sync, unless the caller knows that the file is durable. On success *done are the deliveries that were written. -1 and errno: *failed are they; what
 * was not synced was taken out of the file again, and it is closed. */
int fr_out_sync(struct fr_out *out, bool durable, struct fr_out_list *done,
                struct fr_out_list *failed);

/* Whether the open file is still the one at its path. */
enum fr_out_identity fr_out_identity(const struct fr_out *out);

#endif
