#include "journal/last_values.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "journal/value_batch.h"
#include "journal/value_store_open.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/memory.h"

#define CURSOR_NAME ":values"
#define READ_MAX 256
#define FILLING_LAG_MAX 1000 /* max lag in records while the journal is nearly full */
#define VALUES_PER_COMMIT 20000
#define RETRY_MS 1000

struct fr_values {
    struct fr_journal *journal;
    struct fr_cursor *cursor;
    struct fr_value_store *store;
    int64_t every_ms;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop, wanted;    /* under lock; wanted: write before the time */
    uint64_t written;     /* under lock; records below are in the store */
    _Atomic bool open;    /* `cursor` is set */
    _Atomic bool failing; /* the last write failed; it is retried after RETRY_MS */

    /* Members of the thread: */
    struct fr_value_batch *batch;
    uint64_t next; /* the first record that was not read */
};

/* ---- writing --------------------------------------------------------------------- */

static int last_values_put(struct fr_values *v, const struct fr_last_value **rows, size_t count,
                           struct fr_error *error)
{
    static struct fr_log_limit limit;
    size_t over_bound = 0, n;

    for (size_t i = 0; i < count; i += n) {
        n = count - i < VALUES_PER_COMMIT ? count - i : VALUES_PER_COMMIT;
        if (fr_value_store_put(v->store, rows + i, n, &over_bound, error) != 0)
            return -1;
        fr_count_add(FR_COUNT_VALUES_OVER_BOUND, over_bound);
        if (over_bound != 0)
            fr_log_limited(&limit, FR_LOG_WARNING,
                           "last values: %zu are skipped: a vehicle has at most %d fields (%d that "
                           "are not in the catalogue) and %d kB",
                           over_bound, FR_VALUE_FIELDS_MAX, FR_VALUE_UNKNOWN_MAX,
                           FR_VALUE_VEHICLE_BYTES_MAX / 1024);
    }
    return 0;
}

static int last_values_write_all(struct fr_values *v, struct fr_error *error)
{
    size_t count;
    const struct fr_last_value **rows = fr_value_batch_sorted(v->batch, &count);
    int status;

    status = last_values_put(v, rows, count, error);
    free(rows);
    if (status != 0)
        return -1;
    fr_value_batch_clear(v->batch);
    fr_cursor_move(v->cursor, v->next);
    pthread_mutex_lock(&v->lock);
    v->written = v->next;
    v->wanted = false;
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->lock);
    return 0;
}

/* Restart at the oldest record: the store is empty. */
static void last_values_restart(struct fr_values *v)
{
    fr_value_batch_clear(v->batch);
    v->next = 1;
    fr_cursor_move(v->cursor, 1);
}

/* While writes fail the cursor yields its records, so that the journal does not fill up. */
static void last_values_handle_failure(struct fr_values *v, const struct fr_error *why)
{
    static struct fr_log_limit limit;
    struct fr_error error;
    bool fresh;

    fr_cursor_yield(v->cursor, true);
    atomic_store(&v->failing, true);
    fr_log_limited(&limit, FR_LOG_WARNING,
                   "%s; retried every second. Acknowledgements and sinks are not affected",
                   why->text);
    if (fr_value_store_recover(v->store, &fresh, &error) == 0 && fresh)
        last_values_restart(v);
    pthread_mutex_lock(&v->lock);
    v->wanted = false; /* fr_values_sync() has a time limit; do not retry at once for it */
    pthread_mutex_unlock(&v->lock);
}

/* ---- the thread ------------------------------------------------------------------ */

static bool last_values_is_wanted(void *ctx, enum fr_record_type type, const char *topic)
{
    (void)ctx, (void)topic;
    return type == FR_RECORD_V || type == FR_RECORD_PRESENCE;
}

/* Read the committed records, up to the bound of the batch. */
static int last_values_read_some(struct fr_values *v, struct fr_error *error)
{
    struct fr_record *records[READ_MAX];
    int n = 0;

    while (v->next < fr_journal_next(v->journal) && !fr_value_batch_full(v->batch)) {
        n = fr_cursor_read(v->cursor, &v->next, records, READ_MAX, last_values_is_wanted, NULL,
                           error);
        if (n < 0)
            return -1;
        for (int i = 0; i < n; i++) {
            fr_value_batch_add(v->batch, records[i]);
            fr_record_unref(records[i]);
        }
    }
    return 0;
}

/* Sleep for `ms`, or until a write is wanted. Returns `stop`. */
static bool last_values_wait(struct fr_values *v, int64_t ms)
{
    struct timespec until = fr_monotonic_after(ms);
    bool stop;

    pthread_mutex_lock(&v->lock);
    while (!v->stop && !v->wanted &&
           pthread_cond_timedwait(&v->changed, &v->lock, &until) != ETIMEDOUT)
        ;
    stop = v->stop;
    pthread_mutex_unlock(&v->lock);
    return stop;
}

static void *last_values_run(void *ctx)
{
    struct fr_values *v = ctx;
    struct fr_error error;
    bool stop = false;

    while (!stop) {
        int64_t pause = v->every_ms;

        stop = last_values_wait(v, 0);
        if (last_values_read_some(v, &error) != 0 || last_values_write_all(v, &error) != 0) {
            last_values_handle_failure(v, &error);
            pause = RETRY_MS;
        } else {
            fr_cursor_yield(v->cursor, false);
            atomic_store(&v->failing, false);
            if (v->next < fr_journal_next(v->journal))
                continue;
        }
        if (!stop)
            stop = last_values_wait(v, pause);
    }
    return NULL;
}

/* The lag in records at which values are written before the time. A full journal waits for each
 * record that is read; a few large records can fill it. */
static uint64_t last_values_lag_max(const struct fr_values *v)
{
    if (fr_journal_stuck(v->journal))
        return 1;
    return fr_journal_filling(v->journal) ? FILLING_LAG_MAX : FR_VALUE_BATCH_MAX;
}

/* The cursor's wake callback, on the journal's thread. */
static void last_values_wake(void *ctx)
{
    struct fr_values *v = ctx;

    if (!atomic_load(&v->open) || atomic_load(&v->failing) ||
        fr_journal_next(v->journal) - fr_cursor_position(v->cursor) < last_values_lag_max(v))
        return;
    pthread_mutex_lock(&v->lock);
    v->wanted = true;
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->lock);
}

/* ---- start and stop -------------------------------------------------------------- */

static void last_values_free(struct fr_values *v)
{
    fr_cursor_close(v->cursor);
    fr_value_store_close(v->store);
    fr_value_batch_clear(v->batch);
    fr_value_batch_free(v->batch);
    pthread_cond_destroy(&v->changed);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

/* Open store and cursor. Returns 0, or -1 with `error` set. */
static int last_values_open(struct fr_values *v, struct fr_error *error)
{
    char *folder = fr_asprintf("%s/values", fr_journal_path(v->journal));
    bool fresh;

    v->store = fr_value_store_open(folder, &fresh, error);
    free(folder);
    if (v->store == NULL)
        return -1;
    v->cursor = fr_cursor_open(v->journal, CURSOR_NAME, true, last_values_wake, v, error);
    if (v->cursor == NULL)
        return -1;
    v->next = fr_cursor_position(v->cursor);
    if (fresh)
        last_values_restart(v);
    v->written = v->next;
    atomic_store(&v->open, true);
    return 0;
}

struct fr_values *fr_values_start(struct fr_journal *journal, int64_t every_ms,
                                  struct fr_error *error)
{
    struct fr_values *v = fr_calloc(1, sizeof *v);
    pthread_condattr_t monotonic;
    int code;

    v->journal = journal;
    v->every_ms = every_ms;
    v->batch = fr_value_batch_new();
    pthread_mutex_init(&v->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&v->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (last_values_open(v, error) == 0) {
        code = pthread_create(&v->thread, NULL, last_values_run, v);
        if (code == 0)
            return v;
        fr_error_set(error, "last values: cannot start their thread: %s", strerror(code));
    }
    last_values_free(v);
    return NULL;
}

void fr_values_stop(struct fr_values *v)
{
    if (v == NULL)
        return;
    pthread_mutex_lock(&v->lock);
    v->stop = true;
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->lock);
    pthread_join(v->thread, NULL);
    last_values_free(v);
}

bool fr_values_sync(struct fr_values *v, int64_t max_ms)
{
    uint64_t target = fr_journal_next(v->journal);
    struct timespec until = fr_monotonic_after(max_ms);
    bool done;

    pthread_mutex_lock(&v->lock);
    while (v->written < target && !v->stop) {
        v->wanted = true;
        pthread_cond_broadcast(&v->changed);
        if (pthread_cond_timedwait(&v->changed, &v->lock, &until) == ETIMEDOUT)
            break;
    }
    done = v->written >= target;
    pthread_mutex_unlock(&v->lock);
    return done;
}

int fr_values_each(struct fr_values *v, const char *vin,
                   bool (*each)(void *ctx, const struct fr_last_value *value), void *ctx,
                   struct fr_error *error)
{
    return fr_value_store_each(v->store, vin, each, ctx, error);
}

int fr_values_each_presence(struct fr_values *v,
                            bool (*each)(void *ctx, const struct fr_last_value *value), void *ctx,
                            struct fr_error *error)
{
    return fr_value_store_each_of_field(v->store, FR_FIELD_PRESENCE, each, ctx, error);
}

struct fr_record *fr_values_record(const struct fr_last_value *value)
{
    bool presence = value->field == FR_FIELD_PRESENCE;
    struct fr_buffer payload = {0};
    struct fr_record_source source = {
        .vin = value->vin,
        .topic = (const uint8_t *)(presence ? "presence" : "V"),
        .topic_len = presence ? strlen("presence") : 1,
        .txid = (const uint8_t *)"",
        .client_version = "",
        .payload = value->bytes,
        .payload_len = value->len,
        .received_ms = value->received_ms,
    };
    struct fr_record *record = NULL;

    if (!presence) {
        fr_payload_of_one(&payload, value->vin, value->created_ns, value->field, value->bytes,
                          value->len);
        source.payload = payload.bytes;
        source.payload_len = payload.len;
    }
    if (!payload.failed)
        record = fr_record_known(&source, value->created_ns, false);
    fr_buffer_free(&payload);
    if (record != NULL)
        record->restored = true;
    return record;
}
