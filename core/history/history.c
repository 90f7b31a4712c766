#include "history/history.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "history/history_query.h"
#include "history/history_sweep.h"
#include "history/history_write.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/memory.h"

#define CURSOR_NAME ":history"
#define READ_MAX 256
#define WRITE_EVERY_MS 10000
#define RETRY_MS 1000
#define SWEEP_EVERY_MS 60000
#define SYNC_EVERY_MS 1000 /* min time between two writes for fr_history_sync() */
#define LAG_MAX 50000      /* lag in records at which the thread does not wait for its time */
#define LAG_AGAIN 5000     /* lag in records at which the thread continues without a pause */
#define NICE 10            /* of the thread: workers and the journal have precedence */

struct fr_history {
    struct fr_journal *journal;
    struct fr_cursor *cursor;
    struct fr_history_store store;
    int64_t keep_ms;
    size_t max_vehicles;
    bool store_open;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop, wanted;                 /* under lock; wanted: write before the time */
    uint64_t written;                  /* under lock; records below are in the file */
    int64_t written_ms;                /* under lock; monotonic time of the last write */
    char why[sizeof(struct fr_error)]; /* under lock */
    _Atomic bool open;                 /* `cursor` is set */
    _Atomic bool failing;              /* the last write failed; it is retried after RETRY_MS */
    _Atomic size_t vehicles;           /* their number */

    /* Members of the thread: */
    struct fr_history_intake intake;
    struct fr_history_sweep sweep;
    int64_t sweep_ms; /* monotonic: of the next sweep */
    uint64_t next;    /* the first record that was not read */
    uint64_t stored;  /* the number in the file */
    int64_t read_ms;  /* receipt of the last record */
};

/* ---- writing --------------------------------------------------------------------- */

static void history_publish_written(struct fr_history *h)
{
    atomic_store(&h->vehicles, fr_history_vehicles_count(h->intake.vehicles));
    pthread_mutex_lock(&h->lock);
    h->written = h->next;
    h->written_ms = fr_monotonic_ms();
    h->wanted = false;
    h->why[0] = '\0';
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
}

/* The present of the records: after an interruption, that of the last record that was read. */
static int64_t history_present(const struct fr_history *h)
{
    return h->next >= fr_journal_next(h->journal) || h->read_ms == 0 ? fr_wall_ms() : h->read_ms;
}

static int history_write_all(struct fr_history *h, struct fr_error *error)
{
    if (!fr_history_batch_full(
            &h->intake.batch)) /* otherwise writes have failed since the last call */
        fr_history_take_sessions(&h->intake, history_present(h));
    if (h->next != h->stored || h->intake.batch.row_count != 0) {
        if (fr_history_write(&h->store, &h->intake, h->next, error) != 0)
            return -1;
        h->stored = h->next;
    }
    fr_cursor_move(h->cursor, h->next);
    history_publish_written(h);
    return 0;
}

static int history_sweep_some(struct fr_history *h, struct fr_error *error)
{
    bool more;

    if (fr_monotonic_ms() < h->sweep_ms)
        return 0;
    if (fr_history_sweep(&h->store, h->intake.vehicles, &h->sweep, fr_wall_ms(), &more, error) != 0)
        return -1;
    if (!more)
        h->sweep_ms = fr_monotonic_ms() + SWEEP_EVERY_MS;
    return 0;
}

/* Restart at the oldest record: the file is empty. */
static void history_restart(struct fr_history *h)
{
    fr_history_batch_clear(&h->intake.batch);
    fr_history_vehicles_clear(h->intake.vehicles);
    h->sweep.index = 0;
    h->next = 1;
    h->stored = 0;
    fr_cursor_move(h->cursor, 1);
}

static void history_handle_failure(struct fr_history *h, const struct fr_error *why)
{
    static struct fr_log_limit limit;
    struct fr_error error;
    bool fresh;

    atomic_store(&h->failing, true);
    fr_log_limited(&limit, FR_LOG_WARNING,
                   "%s; retried every second. Acknowledgements and sinks are not affected",
                   why->text);
    if (fr_history_store_recover(&h->store, &fresh, &error) == 0 && fresh)
        history_restart(h);
    pthread_mutex_lock(&h->lock);
    memcpy(h->why, why->text, sizeof h->why);
    h->wanted = false; /* fr_history_sync() has a time limit; do not retry at once for it */
    pthread_mutex_unlock(&h->lock);
}

/* ---- reading --------------------------------------------------------------------- */

static bool history_is_wanted(void *ctx, enum fr_record_type type, const char *topic)
{
    (void)ctx, (void)topic;
    return fr_history_wants(type);
}

/* Count records that were deleted before they were read. */
static void history_count_missed(struct fr_history *h)
{
    static struct fr_log_limit limit;
    struct fr_journal_status s;

    fr_journal_status(h->journal, &s);
    if (h->next >= s.usage.first || h->next <= 1)
        return;
    fr_count_add(FR_COUNT_HISTORY_MISSED, s.usage.first - h->next);
    fr_log_limited(&limit, FR_LOG_WARNING,
                   "history: the journal deleted %llu records before the history had read them; "
                   "charts have a gap. Raise `journal: size:`",
                   (unsigned long long)(s.usage.first - h->next));
}

/* Read the committed records, up to the bound of the batch. */
static int history_read_some(struct fr_history *h, struct fr_error *error)
{
    struct fr_record *records[READ_MAX];

    history_count_missed(h);
    while (h->next < fr_journal_next(h->journal) && !fr_history_batch_full(&h->intake.batch)) {
        int n =
            fr_cursor_read(h->cursor, &h->next, records, READ_MAX, history_is_wanted, NULL, error);
        int64_t now_ms;

        if (n < 0)
            return -1;
        now_ms = fr_wall_ms();
        for (int i = 0; i < n; i++) {
            fr_history_take(&h->intake, records[i], now_ms);
            h->read_ms = records[i]->received_ms;
            fr_record_unref(records[i]);
        }
    }
    return 0;
}

/* ---- the thread ------------------------------------------------------------------ */

/* Sleep for `ms`, or until a write is wanted. Returns `stop`. */
static bool history_wait(struct fr_history *h, int64_t ms)
{
    struct timespec until = fr_monotonic_after(ms);
    bool stop;

    pthread_mutex_lock(&h->lock);
    while (!h->stop && !h->wanted &&
           pthread_cond_timedwait(&h->changed, &h->lock, &until) != ETIMEDOUT)
        ;
    stop = h->stop;
    pthread_mutex_unlock(&h->lock);
    return stop;
}

static void *history_run(void *ctx)
{
    struct fr_history *h = ctx;
    struct fr_error error;
    bool stop = false;

    setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); /* of this thread alone */
    while (!stop) {
        int64_t pause = WRITE_EVERY_MS;

        stop = history_wait(h, 0);
        if (history_read_some(h, &error) != 0 || history_write_all(h, &error) != 0 ||
            history_sweep_some(h, &error) != 0) {
            history_handle_failure(h, &error);
            pause = RETRY_MS;
        } else {
            atomic_store(&h->failing, false);
            if (!stop && fr_journal_next(h->journal) - h->next >= LAG_AGAIN)
                continue;
        }
        if (!stop)
            stop = history_wait(h, pause);
    }
    return NULL;
}

/* The cursor's wake callback, on the journal's thread. */
static void history_wake(void *ctx)
{
    struct fr_history *h = ctx;

    if (!atomic_load(&h->open) || atomic_load(&h->failing) ||
        fr_journal_next(h->journal) - fr_cursor_position(h->cursor) < LAG_MAX)
        return;
    pthread_mutex_lock(&h->lock);
    h->wanted = true;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
}

/* ---- start and stop -------------------------------------------------------------- */

static void history_free(struct fr_history *h)
{
    fr_cursor_close(h->cursor);
    if (h->store_open)
        fr_history_store_close(&h->store);
    fr_history_intake_free(&h->intake);
    pthread_cond_destroy(&h->changed);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

static void history_load_vehicle(void *ctx, const char *vin, const struct fr_vehicle_row *row)
{
    struct fr_history *h = ctx;
    struct fr_history_vehicle *v = fr_history_vehicles_add(h->intake.vehicles, vin);

    if (v == NULL)
        return;
    v->row = *row;
    fr_history_vehicle_finish(v, true);
}

/* Find the first record to read. The number in the file is exact; the cursor is older or newer after
 * a kill. A number beyond the end belongs to another journal. */
static int history_find_next(struct fr_history *h, bool fresh, struct fr_error *error)
{
    if (fr_history_read_vehicles(&h->store, history_load_vehicle, h, error) != 0 ||
        fr_history_read_next(&h->store, &h->next, error) != 0)
        return -1;
    h->stored = h->next;
    if (fresh || h->next == 0 || h->next > fr_journal_next(h->journal))
        h->next = 1;
    fr_cursor_move(h->cursor, h->next);
    return 0;
}

/* Open store and cursor. Returns 0, or -1 with `error` set. */
static int history_open(struct fr_history *h, const struct fr_history_settings *settings,
                        struct fr_error *error)
{
    bool fresh;

    if (fr_history_store_open(&h->store, settings->folder, settings->size, &fresh, error) != 0)
        return -1;
    h->store_open = true;
    h->cursor = fr_cursor_open(h->journal, CURSOR_NAME, true, history_wake, h, error);
    if (h->cursor == NULL)
        return -1;
    fr_cursor_yield(h->cursor, true);
    if (history_find_next(h, fresh, error) != 0)
        return -1;
    h->written = h->next;
    atomic_store(&h->vehicles, fr_history_vehicles_count(h->intake.vehicles));
    atomic_store(&h->open, true);
    return 0;
}

struct fr_history *fr_history_start(struct fr_journal *journal,
                                    const struct fr_history_settings *settings,
                                    struct fr_error *error)
{
    struct fr_history *h = fr_calloc(1, sizeof *h);
    pthread_condattr_t monotonic;
    int code;

    h->journal = journal;
    h->keep_ms = h->sweep.keep_ms = settings->keep_ms;
    h->max_vehicles = settings->vehicles;
    fr_history_intake_init(&h->intake, settings);
    pthread_mutex_init(&h->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&h->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (history_open(h, settings, error) == 0) {
        code = pthread_create(&h->thread, NULL, history_run, h);
        if (code == 0)
            return h;
        fr_error_set(error, "history: cannot start its thread: %s", strerror(code));
    }
    history_free(h);
    return NULL;
}

void fr_history_stop(struct fr_history *h)
{
    if (h == NULL)
        return;
    pthread_mutex_lock(&h->lock);
    h->stop = true;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
    pthread_join(h->thread, NULL);
    history_free(h);
}

/* ---- other threads --------------------------------------------------------------- */

/* A write for each request would cost more than the requests, so short waits cause at most one a
 * second. */
bool fr_history_sync(struct fr_history *h, int64_t max_ms)
{
    uint64_t target = fr_journal_next(h->journal);
    struct timespec until = fr_monotonic_after(max_ms);
    bool done;

    pthread_mutex_lock(&h->lock);
    while (h->written < target && !h->stop) {
        if (max_ms < SYNC_EVERY_MS && h->written_ms != 0 &&
            fr_monotonic_ms() - h->written_ms < SYNC_EVERY_MS)
            break;
        h->wanted = true;
        pthread_cond_broadcast(&h->changed);
        if (pthread_cond_timedwait(&h->changed, &h->lock, &until) == ETIMEDOUT)
            break;
    }
    done = h->written >= target;
    pthread_mutex_unlock(&h->lock);
    return done;
}

int fr_history_query(struct fr_history *h, const struct fr_history_request *request,
                     int64_t deadline_ms, const _Atomic bool *cancelled, struct fr_buffer *out,
                     struct fr_error *error)
{
    int status;

    fr_count(FR_COUNT_HISTORY_REQUESTS);
    fr_history_sync(h, FR_HISTORY_SYNC_MS);
    status = fr_history_answer(&h->store, request, h->keep_ms, deadline_ms, cancelled, out, error);
    if (status != 0)
        fr_count(FR_COUNT_HISTORY_REQUESTS_FAILED);
    return status;
}

bool fr_history_has_vehicle(struct fr_history *h, const char *vin)
{
    struct fr_history_key key = {.kind = FR_HISTORY_ALERT}; /* the first kind */
    struct fr_history_reading r;
    struct fr_error error;
    bool found;

    if (strlen(vin) > FR_VIN_MAX || fr_history_read_begin(&h->store, &r, &error) != 0)
        return false;
    memcpy(key.vin, vin, strlen(vin) + 1);
    found = fr_history_read_from(&r, &key) && strcmp(r.key.vin, vin) == 0;
    fr_history_read_end(&r);
    return found;
}

void fr_history_status(struct fr_history *h, struct fr_history_status *status)
{
    struct fr_history_reading r;
    struct fr_error error;
    uint64_t next = fr_journal_next(h->journal);

    memset(status, 0, sizeof *status);
    status->failing = atomic_load(&h->failing);
    status->vehicles = atomic_load(&h->vehicles);
    status->max_vehicles = h->max_vehicles;
    status->size = h->store.size;
    pthread_mutex_lock(&h->lock);
    memcpy(status->why, h->why, sizeof status->why);
    status->lag = next > h->written ? next - h->written : 0;
    pthread_mutex_unlock(&h->lock);
    if (fr_history_read_begin(&h->store, &r, &error) != 0)
        return;
    status->used = fr_unsynced_used_bytes(&h->store.file, r.txn);
    fr_history_read_end(&r);
}
