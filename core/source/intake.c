#include "source/intake.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "record/acknowledge.h"
#include "record/topics.h"
#include "route/routes.h"
#include "source/json_payload.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/memory.h"

#define ASIDE_MAX 256

struct fr_intake {
    struct fr_ack_owner owner; /* first: settled records find the intake by it */
    struct fr_journal *journal;
    pthread_mutex_t lock;
    struct fr_routes *routes; /* for its list of vehicles */
    void (*stored)(void *ctx, size_t count);
    void *ctx;
    size_t outstanding;
    bool over; /* nobody listens; freed with the last outstanding record */
    size_t aside_count;
    struct fr_sink_entry aside[ASIDE_MAX];
};

static void dispose(struct fr_intake *intake)
{
    fr_routes_free(intake->routes);
    pthread_mutex_destroy(&intake->lock);
    free(intake);
}

/* So many of its records are no longer outstanding. */
static void intake_finish(struct fr_intake *intake, size_t count, bool stored)
{
    bool free_it;

    pthread_mutex_lock(&intake->lock);
    intake->outstanding -= count;
    if (stored && !intake->over)
        intake->stored(intake->ctx, count);
    free_it = intake->over && intake->outstanding == 0;
    pthread_mutex_unlock(&intake->lock);
    if (free_it)
        dispose(intake);
}

static void intake_abandoned(struct fr_ack_owner *owner)
{
    intake_finish((struct fr_intake *)owner, 1, false);
}

static void settled(struct fr_ack_owner *owner, struct fr_record *first, struct fr_record *last)
{
    size_t count = 0;

    (void)last;
    while (first != NULL) {
        struct fr_record *next = first->ack_next;

        fr_record_unref(first);
        first = next;
        count++;
    }
    intake_finish((struct fr_intake *)owner, count, true);
}

struct fr_intake *fr_intake_new(struct fr_journal *journal, struct fr_routing *routing,
                                bool repeats, void (*stored)(void *ctx, size_t count), void *ctx)
{
    struct fr_intake *intake = fr_calloc(1, sizeof *intake);

    intake->owner.settled = settled;
    intake->owner.abandoned = intake_abandoned;
    intake->owner.repeats = repeats;
    intake->journal = journal;
    intake->stored = stored;
    intake->ctx = ctx;
    intake->routes = fr_routes_new(routing, NULL, 0, journal);
    pthread_mutex_init(&intake->lock, NULL);
    return intake;
}

void fr_intake_free(struct fr_intake *intake)
{
    bool free_it;

    if (intake == NULL)
        return;
    fr_intake_flush(intake);
    pthread_mutex_lock(&intake->lock);
    intake->over = true;
    free_it = intake->outstanding == 0;
    pthread_mutex_unlock(&intake->lock);
    if (free_it)
        dispose(intake);
}

void fr_intake_set_routing(struct fr_intake *intake, struct fr_routing *routing)
{
    struct fr_routes *routes = fr_routes_new(routing, NULL, 0, intake->journal), *older;

    pthread_mutex_lock(&intake->lock);
    older = intake->routes;
    intake->routes = routes;
    pthread_mutex_unlock(&intake->lock);
    fr_routes_free(older);
}

void fr_intake_flush(struct fr_intake *intake)
{
    size_t count = intake->aside_count;

    if (count == 0)
        return;
    pthread_mutex_lock(&intake->lock);
    intake->outstanding += count;
    pthread_mutex_unlock(&intake->lock);
    intake->aside_count = 0;
    fr_journal_offer(intake->journal, intake->aside, count);
}

/* Whether the VIN is let in, and whether sinks may see the topic by its name. */
static bool admits(struct fr_intake *intake, const char *vin, const struct fr_submission *s,
                   bool *named)
{
    bool admitted;

    pthread_mutex_lock(&intake->lock);
    admitted = fr_routes_admit(intake->routes, vin);
    *named = fr_routes_names_topic(intake->routes, s->record_type, s->record_type_len);
    pthread_mutex_unlock(&intake->lock);
    return admitted;
}

/* When the source received it, unless that is in the future or not known. */
static int64_t receipt_ms(const struct fr_submission *s)
{
    int64_t now = fr_wall_ms();

    return s->received_ms > 0 && s->received_ms <= now + FR_CLOCK_AHEAD_MS ? s->received_ms : now;
}

static struct fr_record *make_record(const struct fr_submission *s, const char *vin, bool named,
                                     struct fr_error *error)
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
        .received_ms = receipt_ms(s),
    };
    enum fr_record_type type = fr_record_type_of(source.topic, source.topic_len);
    struct fr_buffer payload = {0};
    struct fr_record *record = NULL;

    if (type == FR_RECORD_OTHER && !named &&
        !fr_topics_keep(s->record_type, s->record_type_len, NULL, vin)) {
        source.topic = (const uint8_t *)FR_TOPIC_UNKNOWN;
        source.topic_len = strlen(FR_TOPIC_UNKNOWN);
    }
    if (s->format == FR_FORMAT_PROTOBUF)
        return fr_record_new(&source, error);
    if (fr_json_to_payload(s->bytes, s->len, type, &payload, error) == 0) {
        source.payload = payload.bytes;
        source.payload_len = payload.len;
        record = fr_record_new(&source, error);
    }
    fr_buffer_free(&payload);
    return record;
}

/* Names as they may come from a stranger: short enough, and without control characters. */
static bool is_plain(const char *text, size_t len, size_t most)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] <= 0x20 || (unsigned char)text[i] >= 0x7f)
            return false;
    return len != 0 && len <= most;
}

enum fr_submitted fr_intake_submit(struct fr_intake *intake, const struct fr_submission *s,
                                   struct fr_error *error)
{
    char vin[FR_VIN_MAX + 1];
    struct fr_record *record;
    bool named;

    if (intake->aside_count == 0 && fr_journal_full(intake->journal))
        return FR_SUBMIT_LATER;
    if (!fr_vin_valid(s->vin, s->vin_len)) {
        fr_count(FR_COUNT_SOURCE_VIN_BAD);
        fr_error_set(error, "its VIN is not 1 to %d printable characters without space, / and .",
                     FR_VIN_MAX);
        return FR_SUBMIT_LEFT;
    }
    if (!is_plain(s->record_type, s->record_type_len, FR_TOPIC_MAX) || s->txid_len > FR_TXID_MAX) {
        fr_count(FR_COUNT_SOURCE_BAD);
        fr_error_set(error, "it has no usable type, or too long a txid");
        return FR_SUBMIT_LEFT;
    }
    memcpy(vin, s->vin, s->vin_len);
    vin[s->vin_len] = '\0';
    if (!admits(intake, vin, s, &named)) {
        fr_count(FR_COUNT_SOURCE_STRANGERS);
        fr_error_set(error, "its VIN is not under `vehicles:` in the routing file");
        return FR_SUBMIT_LEFT;
    }
    record = make_record(s, vin, named, error);
    if (record == NULL) {
        fr_count(FR_COUNT_SOURCE_BAD);
        return FR_SUBMIT_LEFT;
    }
    fr_tap(record);
    record->owner = &intake->owner;
    atomic_store_explicit(&record->unconfirmed, 1, memory_order_relaxed);
    fr_count(FR_COUNT_SOURCE_RECORDS);
    intake->aside[intake->aside_count++] = (struct fr_sink_entry){record, true};
    if (intake->aside_count == ASIDE_MAX)
        fr_intake_flush(intake);
    return FR_SUBMITTED;
}
