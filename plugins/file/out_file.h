/*
 * One file of the sink: bytes that are gathered, written and synced, and the deliveries that wait
 * for each step. All functions run on the sink's thread. Functions that return int return 0, or -1
 * with errno.
 */
#ifndef FR_OUT_FILE_H
#define FR_OUT_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "delivery_list.h"
#include "fleetroute/plugin.h"

struct fr_out {
    char *path;
    int fd;            /* -1: closed */
    bool binary;       /* length-delimited protobuf, not lines */
    off_t size;        /* after the last complete write */
    off_t synced;      /* size at the last successful sync, or when the file was opened */
    int64_t opened_ms; /* creation of the file, ms since 1970 */
    dev_t device;
    bool end_unknown; /* the file may end in a partial record: the next open checks the end */
    ino_t inode;      /* when the file was last open; 0: never */
    bool unsynced;
    bool torn; /* a partial write could not be truncated */

    char *bytes; /* not yet written */
    size_t len, capacity;
    struct delivery_list gathered; /* deliveries of `bytes` */
    struct delivery_list written;  /* written, waiting for a sync */

    /* out_table.h */
    struct fr_out *next_in_bucket;
    struct fr_out *newer, *older; /* all files, by last use */
    struct fr_out *next_dirty;    /* files with gathered bytes */
    bool dirty;
};

/* Whether the open file still has its path. */
enum fr_out_identity { FR_OUT_SAME, FR_OUT_MOVED, FR_OUT_DELETED };

/* Create a closed file; the path is copied. NULL: no memory. */
struct fr_out *fr_out_new(const char *path, bool binary);

/* Close and free a file, which must have no deliveries. */
void fr_out_free(struct fr_out *out);

/* Open or create the file, with its folders. If a crash left a partial record at the end, remove it
 * and set *repaired. */
int fr_out_open(struct fr_out *out, bool *repaired);

/* Close the file, if it is open. */
void fr_out_close(struct fr_out *out);

/* Append the bytes of a delivery to the gathered ones, with a newline or a length prefix. False: no
 * memory; nothing was appended. */
bool fr_out_gather(struct fr_out *out, const void *bytes, size_t len, struct fr_delivery *delivery);

/* Write the gathered bytes; their deliveries then wait for a sync. On failure the file is unchanged
 * and the deliveries are moved to *failed. */
int fr_out_write(struct fr_out *out, struct delivery_list *failed);

/* Start writing back without waiting, so that several files can be synced in parallel. */
void fr_out_begin_sync(const struct fr_out *out);

/* Sync the file; `durable`: the caller has synced it by other means. On success, move the written
 * deliveries to *done. On failure, move them to *failed, truncate the unsynced bytes and close the
 * file. */
int fr_out_sync(struct fr_out *out, bool durable, struct delivery_list *done,
                struct delivery_list *failed);

/* Compare the open file with the file at its path. A closed file is FR_OUT_SAME. */
enum fr_out_identity fr_out_identity(const struct fr_out *out);

#endif
