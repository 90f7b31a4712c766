/*
 * The history: what each vehicle sent in the last days, for charts, tracks, sessions and costs.
 *
 * A reader of the journal with its own cursor and thread, like the last values. The journal is in the
 * order of arrival over all vehicles and is as long as its size allows; the history is in the order
 * of vehicle, field and time, in chunks (chunk.h). It is written without fsync and is rebuilt as far
 * as the journal reaches. Its cursor retains no record: when the journal needs the space, records
 * that the history has not read are deleted, counted and logged.
 */
#ifndef FR_HISTORY_H
#define FR_HISTORY_H

#include <stdatomic.h>
#include <stdbool.h>

#include "history/history_request.h"
#include "history/history_settings.h"
#include "journal/journal.h"
#include "util/buffer.h"

struct fr_history;

/* Open the file and start the thread. The caller stops the history before the journal. Main thread.
 * Returns NULL with `error` set. */
struct fr_history *fr_history_start(struct fr_journal *journal,
                                    const struct fr_history_settings *settings,
                                    struct fr_error *error);

/* Write what was read, end the thread and free the history; NULL is allowed. No other thread uses
 * it. */
void fr_history_stop(struct fr_history *history);

/* Wait at most max_ms until the records that are committed now are in the history. Returns whether
 * they are. Any thread. */
bool fr_history_sync(struct fr_history *history, int64_t max_ms);

/* The time for one answer, and for waiting that it includes the newest records. */
#define FR_HISTORY_ANSWER_MS 2000
#define FR_HISTORY_SYNC_MS 300

/* Append the answer to a request as one JSON object (history_query.h); records that were committed
 * before the call are included if they are written within FR_HISTORY_SYNC_MS. deadline_ms: monotonic.
 * `cancelled` may be NULL. Blocks. Any thread. Returns 0, or -1 with `error` set. */
int fr_history_query(struct fr_history *history, const struct fr_history_request *request,
                     int64_t deadline_ms, const _Atomic bool *cancelled, struct fr_buffer *out,
                     struct fr_error *error);

/* Whether the file has the vehicle. Any thread. */
bool fr_history_has_vehicle(struct fr_history *history, const char *vin);

struct fr_history_status {
    bool failing;                      /* the file cannot be written; retried every second */
    char why[sizeof(struct fr_error)]; /* "": writes succeed */
    size_t vehicles, max_vehicles;
    uint64_t used, size; /* bytes in pages of the file, and the setting */
    uint64_t lag;        /* records that were not read yet */
};

/* Read the status. Any thread. */
void fr_history_status(struct fr_history *history, struct fr_history_status *status);

#endif
