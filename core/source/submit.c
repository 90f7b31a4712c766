#include "source/submit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "record/acknowledge.h"
#include "record/presence_origin.h"
#include "record/topics.h"
#include "route/routes.h"
#include "route/tap.h"
#include "source/json_payload.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/memory.h"

/* Max entries of a batch. A full batch is enqueued at once. */
#define BATCH_MAX 256

struct fr_submit {
    struct fr_completion completion; /* the first member: callbacks cast it to the submit */
    struct fr_journal *journal;
    pthread_mutex_t lock;     /* protects routes, outstanding, closed and calls of stored() */
    struct fr_routes *routes; /* for the list of vehicles and the topics */
    void (*stored)(void *ctx, size_t count);
    void *ctx;
    size_t outstanding; /* records enqueued and not yet on disk */
    bool closed; /* fr_submit_free() was called; the last outstanding record frees the submit */
    size_t batch_count;
    struct fr_queue_entry batch[BATCH_MAX];
};

static void submit_dispose(struct fr_submit *submit)
{
    fr_routes_free(submit->routes);
    pthread_mutex_destroy(&submit->lock);
    free(submit);
}

/* `count` records are on disk (stored) or will never be. Frees a closed submit with the last one. */
static void submit_finish_records(struct fr_submit *submit, size_t count, bool stored)
{
    bool unused;

    pthread_mutex_lock(&submit->lock);
    submit->outstanding -= count;
    if (stored && !submit->closed)
        submit->stored(submit->ctx, count);
    unused = submit->closed && submit->outstanding == 0;
    pthread_mutex_unlock(&submit->lock);
    if (unused)
        submit_dispose(submit);
}

static void submit_abandoned(struct fr_completion *completion)
{
    submit_finish_records((struct fr_submit *)completion, 1, false);
}

static void submit_completed(struct fr_completion *completion, struct fr_record *first,
                             struct fr_record *last)
{
    size_t count = 0;

    (void)last;
    while (first != NULL) {
        struct fr_record *next = first->ack_next;

        fr_record_unref(first);
        first = next;
        count++;
    }
    submit_finish_records((struct fr_submit *)completion, count, true);
}

struct fr_submit *fr_submit_new(struct fr_journal *journal, struct fr_routing *routing,
                                bool repeats, void (*stored)(void *ctx, size_t count), void *ctx)
{
    struct fr_submit *submit = fr_calloc(1, sizeof *submit);

    submit->completion.completed = submit_completed;
    submit->completion.abandoned = submit_abandoned;
    submit->completion.repeats = repeats;
    submit->journal = journal;
    submit->stored = stored;
    submit->ctx = ctx;
    submit->routes = fr_routes_new(routing, NULL, 0, journal);
    pthread_mutex_init(&submit->lock, NULL);
    return submit;
}

void fr_submit_free(struct fr_submit *submit)
{
    bool unused;

    if (submit == NULL)
        return;
    fr_submit_flush(submit);
    pthread_mutex_lock(&submit->lock);
    submit->closed = true;
    unused = submit->outstanding == 0;
    pthread_mutex_unlock(&submit->lock);
    if (unused)
        submit_dispose(submit);
}

void fr_submit_set_routing(struct fr_submit *submit, struct fr_routing *routing)
{
    struct fr_routes *routes = fr_routes_new(routing, NULL, 0, submit->journal), *older;

    pthread_mutex_lock(&submit->lock);
    older = submit->routes;
    submit->routes = routes;
    pthread_mutex_unlock(&submit->lock);
    fr_routes_free(older);
}

void fr_submit_flush(struct fr_submit *submit)
{
    size_t count = submit->batch_count;

    if (count == 0)
        return;
    pthread_mutex_lock(&submit->lock);
    submit->outstanding += count;
    pthread_mutex_unlock(&submit->lock);
    submit->batch_count = 0;
    fr_journal_enqueue(submit->journal, submit->batch, count);
}

/* Whether the vehicle is listed. *named: a route names the topic. */
static bool submit_is_admitted(struct fr_submit *submit, const char *vin,
                               const struct fr_submission *s, bool *named)
{
    bool admitted;

    pthread_mutex_lock(&submit->lock);
    admitted = fr_routes_admit(submit->routes, vin);
    *named = fr_routes_names_topic(submit->routes, s->record_type, s->record_type_len);
    pthread_mutex_unlock(&submit->lock);
    return admitted;
}

/* The source's time of receipt, in ms since 1970; now, if that is unknown or in the future. */
static int64_t submit_receipt_ms(const struct fr_submission *s)
{
    int64_t now = fr_wall_ms();

    return s->received_ms > 0 && s->received_ms <= now + FR_CLOCK_AHEAD_MS ? s->received_ms : now;
}

static struct fr_record *submit_record_of(const struct fr_submission *s, const char *vin,
                                          bool named, struct fr_error *error)
{
    struct fr_record_source source = {
        .vin = vin,
        .topic = (const uint8_t *)s->record_type,
        .topic_len = s->record_type_len,
        .txid = (const uint8_t *)s->txid,
        .txid_len = s->txid_len,
        .client_version = s->client_version,
        .payload = s->bytes,
        .payload_len = s->len,
        .received_ms = submit_receipt_ms(s),
    };
    enum fr_record_type type = fr_record_type_of(source.topic, source.topic_len);
    struct fr_buffer payload = {0};
    struct fr_record *record = NULL;

    if (type == FR_RECORD_OTHER && !named &&
        !fr_topics_keep(s->record_type, s->record_type_len, NULL, vin)) {
        source.topic = (const uint8_t *)FR_TOPIC_UNKNOWN;
        source.topic_len = strlen(FR_TOPIC_UNKNOWN);
    }
    if (s->format == FR_FORMAT_PROTOBUF && type != FR_RECORD_PRESENCE)
        return fr_record_new(&source, error);
    if (s->format == FR_FORMAT_PROTOBUF)
        fr_buffer_append(&payload, s->bytes, s->len);
    else if (fr_json_to_payload(s->bytes, s->len, type, &payload, error) != 0)
        goto out;
    if (type == FR_RECORD_PRESENCE && !fr_presence_is_relayed(payload.bytes, payload.len))
        fr_presence_add_relayed(&payload);
    if (payload.failed) {
        fr_error_set(error, "out of memory");
        goto out;
    }
    source.payload = payload.bytes;
    source.payload_len = payload.len;
    record = fr_record_new(&source, error);
out:
    fr_buffer_free(&payload);
    return record;
}

/* Whether a text has 1 to max bytes, all printable ASCII without the space. */
static bool submit_is_plain(const char *text, size_t len, size_t max)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] <= 0x20 || (unsigned char)text[i] >= 0x7f)
            return false;
    return len != 0 && len <= max;
}

bool fr_submit_has_capacity(const struct fr_submit *submit)
{
    return submit->batch_count != 0 || !fr_journal_full(submit->journal);
}

struct fr_record *fr_submit_make_record(struct fr_submit *submit, const struct fr_submission *s,
                                        struct fr_error *error)
{
    char vin[FR_VIN_MAX + 1];
    struct fr_record *record;
    bool named;

    if (!fr_vin_valid(s->vin, s->vin_len)) {
        fr_count(FR_COUNT_SOURCE_VIN_BAD);
        fr_error_set(error, "its VIN is not 1 to %d printable characters without space, / and .",
                     FR_VIN_MAX);
        return NULL;
    }
    if (!submit_is_plain(s->record_type, s->record_type_len, FR_TOPIC_MAX) ||
        s->txid_len > FR_TXID_MAX) {
        fr_count(FR_COUNT_SOURCE_BAD);
        fr_error_set(error,
                     "its type is not 1 to %d printable characters, or its txid is longer than %d "
                     "bytes",
                     FR_TOPIC_MAX, FR_TXID_MAX);
        return NULL;
    }
    memcpy(vin, s->vin, s->vin_len);
    vin[s->vin_len] = '\0';
    if (!submit_is_admitted(submit, vin, s, &named)) {
        fr_count(FR_COUNT_SOURCE_STRANGERS);
        fr_error_set(error, "its VIN is not listed under `vehicles:` in the routing file");
        return NULL;
    }
    record = submit_record_of(s, vin, named, error);
    if (record == NULL)
        fr_count(FR_COUNT_SOURCE_BAD);
    return record;
}

void fr_submit_add(struct fr_submit *submit, struct fr_record *record)
{
    fr_tap(record);
    record->completion = &submit->completion;
    atomic_store_explicit(&record->unconfirmed, 1, memory_order_relaxed);
    fr_count(FR_COUNT_SOURCE_RECORDS);
    submit->batch[submit->batch_count++] = (struct fr_queue_entry){record, true};
    if (submit->batch_count == BATCH_MAX)
        fr_submit_flush(submit);
}

enum fr_submitted fr_submit_record(struct fr_submit *submit, const struct fr_submission *s,
                                   struct fr_error *error)
{
    struct fr_record *record;

    if (!fr_submit_has_capacity(submit))
        return FR_SUBMIT_AGAIN;
    record = fr_submit_make_record(submit, s, error);
    if (record == NULL)
        return FR_SUBMIT_REJECTED;
    fr_submit_add(submit, record);
    return FR_SUBMITTED;
}
