#include "journal/last_values.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/buffer.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/hash.h"
#include "util/log.h"
#include "util/memory.h"

#define CURSOR_NAME ":values"
#define READ_MAX 256
#define GATHERED_MAX 100000 /* values in memory before they are written early */
#define GATHERED_BYTES_MAX (16u << 20)
#define HURRY_BEHIND 1000 /* records not read yet when the journal fills up */
#define ROWS_A_COMMIT 20000
#define RETRY_MS 1000

struct gathered {
    struct gathered *next;
    uint64_t hash;
    struct fr_last_value value; /* its bytes stand behind this struct */
    size_t capacity;
};

struct fr_values {
    struct fr_journal *journal;
    struct fr_cursor *cursor;
    struct fr_value_store *store;
    int64_t every_ms;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop, woken, wanted; /* wanted: somebody waits for a write */
    _Atomic bool open;        /* `cursor` is set */
    _Atomic bool failing;     /* the last write failed; the next one is at its time */
    uint64_t written;         /* everything below can be read */

    struct gathered **buckets;
    size_t bucket_count, count, bytes;
    uint64_t next;
};

/* ---- gathering ------------------------------------------------------------------- */

static struct gathered **values_find(struct fr_values *v, const char *vin, uint32_t field,
                                     uint64_t hash)
{
    struct gathered **at = &v->buckets[hash & (v->bucket_count - 1)];

    while (*at != NULL && ((*at)->hash != hash || (*at)->value.field != field ||
                           strcmp((*at)->value.vin, vin) != 0))
        at = &(*at)->next;
    return at;
}

/* A new entry, or the one at `at` with space for so many bytes. */
static struct gathered *values_entry(struct fr_values *v, struct gathered **at, size_t len)
{
    struct gathered *g = *at, *next = g != NULL ? g->next : NULL;

    if (g != NULL && g->capacity >= len)
        return g;
    v->count += g == NULL;
    v->bytes += len - (g != NULL ? g->capacity : 0);
    free(g);
    g = fr_calloc(1, sizeof *g + len);
    g->capacity = len;
    g->next = next;
    *at = g;
    return g;
}

static void gather(struct fr_values *v, const struct fr_record *record, uint32_t field,
                   const uint8_t *bytes, size_t len)
{
    struct fr_last_value value = {.field = field,
                                  .created_ns = record->created_ns,
                                  .received_ms = record->received_ms,
                                  .len = len};
    uint64_t hash = fr_hash_text(record->vin, field);
    struct gathered **at = values_find(v, record->vin, field, hash), *g;

    if (!fr_last_value_fits(field, len)) {
        fr_count(FR_COUNT_VALUES_OVER_BOUND);
        return;
    }
    if (*at != NULL && fr_last_value_time(&(*at)->value) > fr_last_value_time(&value))
        return;
    g = values_entry(v, at, len);
    g->hash = hash;
    memcpy(value.vin, record->vin, strlen(record->vin) + 1);
    value.bytes = (const uint8_t *)(g + 1);
    g->value = value;
    if (len != 0)
        memcpy(g + 1, bytes, len);
}

struct from_record {
    struct fr_values *values;
    const struct fr_record *record;
};

static void gather_datum(void *ctx, uint32_t field, const uint8_t *bytes, size_t len)
{
    struct from_record *from = ctx;

    gather(from->values, from->record, field, bytes, len);
}

static void gather_record(struct fr_values *v, const struct fr_record *record)
{
    struct from_record from = {v, record};

    if (record->type == FR_RECORD_PRESENCE)
        gather(v, record, FR_FIELD_PRESENCE, record->payload, record->payload_len);
    else
        fr_payload_each(record->payload, record->payload_len, gather_datum, &from);
}

/* ---- writing --------------------------------------------------------------------- */

static void forget_all(struct fr_values *v)
{
    for (size_t i = 0; i < v->bucket_count; i++) {
        struct gathered *g = v->buckets[i], *next;

        for (; g != NULL; g = next) {
            next = g->next;
            free(g);
        }
        v->buckets[i] = NULL;
    }
    v->count = v->bytes = 0;
}

/* The order of the store's keys: neighbours share pages. */
static int values_compare(const void *left, const void *right)
{
    const struct fr_last_value *a = *(const struct fr_last_value *const *)left,
                               *b = *(const struct fr_last_value *const *)right;
    int order = strcmp(a->vin, b->vin);

    return order != 0 ? order : (a->field > b->field) - (a->field < b->field);
}

static int values_put(struct fr_values *v, const struct fr_last_value **rows, size_t count,
                      struct fr_error *error)
{
    static struct fr_log_limit limit;
    size_t over_bound = 0, n;

    for (size_t i = 0; i < count; i += n) {
        n = count - i < ROWS_A_COMMIT ? count - i : ROWS_A_COMMIT;
        if (fr_value_store_put(v->store, rows + i, n, &over_bound, error) != 0)
            return -1;
        fr_count_add(FR_COUNT_VALUES_OVER_BOUND, over_bound);
        if (over_bound != 0)
            fr_log_limited(
                &limit, FR_LOG_WARNING,
                "last values: %zu are not kept: a vehicle has at most %d fields (%d that "
                "the catalogue does not know) and %d kB",
                over_bound, FR_VALUE_FIELDS_MAX, FR_VALUE_UNKNOWN_MAX,
                FR_VALUE_VEHICLE_BYTES_MAX / 1024);
    }
    return 0;
}

static int write_all(struct fr_values *v, struct fr_error *error)
{
    const struct fr_last_value **rows = fr_calloc(v->count, sizeof *rows);
    size_t count = 0;
    int status;

    for (size_t i = 0; i < v->bucket_count; i++)
        for (struct gathered *g = v->buckets[i]; g != NULL; g = g->next)
            rows[count++] = &g->value;
    qsort(rows, count, sizeof *rows, values_compare);
    status = values_put(v, rows, count, error);
    free(rows);
    if (status != 0)
        return -1;
    forget_all(v);
    fr_cursor_move(v->cursor, v->next);
    pthread_mutex_lock(&v->lock);
    v->written = v->next;
    v->wanted = false;
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->lock);
    return 0;
}

/* Begin again at the oldest record: the store is empty. */
static void values_begin_anew(struct fr_values *v)
{
    forget_all(v);
    v->next = 1;
    fr_cursor_move(v->cursor, 1);
}

/* While values cannot be written they claim no records, so that the journal does not fill up. */
static void values_failed(struct fr_values *v, const struct fr_error *why)
{
    static struct fr_log_limit limit;
    struct fr_error error;
    bool fresh;

    fr_cursor_yield(v->cursor, true);
    atomic_store(&v->failing, true);
    fr_log_limited(&limit, FR_LOG_WARNING,
                   "%s; tried again every second. Vehicles are acknowledged and sinks served "
                   "meanwhile",
                   why->text);
    if (fr_value_store_recover(v->store, &fresh, &error) == 0 && fresh)
        values_begin_anew(v);
    pthread_mutex_lock(&v->lock);
    v->wanted = false; /* who waits has a limit; do not spin meanwhile */
    pthread_mutex_unlock(&v->lock);
}

/* ---- the thread ------------------------------------------------------------------ */

static bool wanted_type(void *ctx, enum fr_record_type type, const char *topic)
{
    (void)ctx, (void)topic;
    return type == FR_RECORD_V || type == FR_RECORD_PRESENCE;
}

/* Read what is committed, up to the bound of memory. */
static int read_some(struct fr_values *v, struct fr_error *error)
{
    struct fr_record *records[READ_MAX];
    int n = 0;

    while (v->next < fr_journal_next(v->journal) && v->count < GATHERED_MAX &&
           v->bytes < GATHERED_BYTES_MAX) {
        n = fr_cursor_read(v->cursor, &v->next, records, READ_MAX, wanted_type, NULL, error);
        if (n < 0)
            return -1;
        for (int i = 0; i < n; i++) {
            gather_record(v, records[i]);
            fr_record_unref(records[i]);
        }
    }
    return 0;
}

/* Sleep until a write is due or wanted. Nobody needs us to read sooner. Returns `stop`. */
static bool sleep_for(struct fr_values *v, int64_t ms)
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

static void *run(void *ctx)
{
    struct fr_values *v = ctx;
    struct fr_error error;
    bool stop = false;

    while (!stop) {
        int64_t pause = v->every_ms;

        stop = sleep_for(v, 0);
        if (read_some(v, &error) != 0 || write_all(v, &error) != 0) {
            values_failed(v, &error);
            pause = RETRY_MS;
        } else {
            fr_cursor_yield(v->cursor, false);
            atomic_store(&v->failing, false);
            if (v->next < fr_journal_next(v->journal))
                continue;
        }
        if (!stop)
            stop = sleep_for(v, pause);
    }
    return NULL;
}

/* How many unread records are reason enough to write before the time. A journal that is full
 * waits for each of them; large records fill it with a few. */
static uint64_t values_bound(const struct fr_values *v)
{
    if (fr_journal_stuck(v->journal))
        return 1;
    return fr_journal_filling(v->journal) ? HURRY_BEHIND : GATHERED_MAX;
}

/* On the journal's thread, after each commit and each failed one. */
static void woken(void *ctx)
{
    struct fr_values *v = ctx;
    if (!atomic_load(&v->open) || atomic_load(&v->failing) ||
        fr_journal_next(v->journal) - fr_cursor_place(v->cursor) < values_bound(v))
        return;
    pthread_mutex_lock(&v->lock);
    v->wanted = true;
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->lock);
}

/* ---- life ------------------------------------------------------------------------ */

static void values_free(struct fr_values *v)
{
    fr_cursor_close(v->cursor);
    fr_value_store_close(v->store);
    forget_all(v);
    free(v->buckets);
    pthread_cond_destroy(&v->changed);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

/* Open store and cursor. -1 and why. */
static int values_open(struct fr_values *v, struct fr_error *error)
{
    char *folder = fr_asprintf("%s/values", fr_journal_path(v->journal));
    bool fresh;

    v->store = fr_value_store_open(folder, &fresh, error);
    free(folder);
    if (v->store == NULL)
        return -1;
    v->cursor = fr_cursor_open(v->journal, CURSOR_NAME, true, woken, v, error);
    if (v->cursor == NULL)
        return -1;
    v->next = fr_cursor_place(v->cursor);
    if (fresh)
        values_begin_anew(v);
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
    v->bucket_count = 1u << 14;
    v->buckets = fr_calloc(v->bucket_count, sizeof(struct gathered *));
    pthread_mutex_init(&v->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&v->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (values_open(v, error) == 0) {
        code = pthread_create(&v->thread, NULL, run, v);
        if (code == 0)
            return v;
        fr_error_set(error, "last values: cannot start their thread: %s", strerror(code));
    }
    values_free(v);
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
    values_free(v);
}

bool fr_values_sync(struct fr_values *v, int64_t most_ms)
{
    uint64_t target = fr_journal_next(v->journal);
    struct timespec until = fr_monotonic_after(most_ms);
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
