#include "history/history_query.h"

#include <stdlib.h>
#include <string.h>

#include "history/query_base.h"
#include "history/query_fields.h"
#include "history/query_rows.h"
#include "history/query_track.h"
#include "util/clock.h"
#include "util/json_text.h"
#include "util/memory.h"
#include "util/redact.h"

/* Positions from shortly before the drive, so that the track begins where the vehicle was parked. */
#define BEFORE_DRIVE_MS 10000

static void query_put_head(struct fr_buffer *out, const struct fr_history_request *r)
{
    char buffer[FR_REDACTED_VIN_SIZE];
    const char *vin = fr_display_vin(r->vin, buffer);

    fr_buffer_text(out, "{\"vin\":");
    fr_json_string(out, vin, strlen(vin));
    fr_buffer_printf(out, ",\"from\":%lld,\"to\":%lld", (long long)r->from_ms, (long long)r->to_ms);
}

/* The track of the last drive, or of the range that is requested. */
static int query_track(struct fr_history_query *q)
{
    const struct fr_history_request *request = q->request;
    struct fr_history_request drive = *request;
    struct fr_session session;
    int status;

    fr_buffer_text(q->out, ",\"drive\":");
    if (!request->from_given && fr_query_last_session(q, FR_SESSION_DRIVE, &session)) {
        fr_buffer_byte(q->out, '{');
        fr_query_put_session(q->out, &session);
        fr_buffer_byte(q->out, '}');
        drive.from_ms = session.begin_ms > BEFORE_DRIVE_MS ? session.begin_ms - BEFORE_DRIVE_MS : 0;
        drive.to_ms = session.end_ms + 1;
    } else {
        fr_buffer_text(q->out, "null");
        if (!request->from_given)
            drive.to_ms = drive.from_ms; /* no drive: no position */
    }
    q->request = &drive;
    status = fr_query_positions(q, FR_SESSION_LOCATION);
    q->request = request;
    return status != 0 ? status : fr_query_check(q);
}

static int query_run(struct fr_history_query *q, int64_t keep_ms)
{
    switch (q->request->what) {
    case FR_HISTORY_FIELDS:
        return fr_query_fields(q, keep_ms, fr_wall_ms());
    case FR_HISTORY_TRACK:
        return query_track(q);
    case FR_HISTORY_SESSIONS:
        return fr_query_sessions(q);
    case FR_HISTORY_ALERTS:
        return fr_query_alerts(q);
    case FR_HISTORY_CONNECTIONS:
        return fr_query_connections(q);
    case FR_HISTORY_SIGNALS:
        return fr_query_signals(q);
    }
    return fr_error_set(q->error, "unknown request");
}

int fr_history_answer(struct fr_history_store *store, const struct fr_history_request *request,
                      int64_t keep_ms, int64_t deadline_ms, const _Atomic bool *cancelled,
                      struct fr_buffer *out, struct fr_error *error)
{
    struct fr_history_query *q = fr_calloc(1, sizeof *q);
    int status;

    q->request = request;
    q->deadline_ms = deadline_ms;
    q->cancelled = cancelled;
    q->out = out;
    q->error = error;
    status = fr_history_read_begin(store, &q->reading, error);
    if (status == 0) {
        query_put_head(out, request);
        status = query_run(q, keep_ms);
        fr_history_read_end(&q->reading);
        fr_buffer_byte(out, '}');
    }
    if (status == 0 && out->failed)
        status = fr_error_set(error, "out of memory for the answer");
    free(q);
    return status;
}
