#include "ingest/message.h"
#include "ingest/presence.h"

#include <stdatomic.h>
#include <string.h>

#include "record/topics.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/redact.h"

/* ---- replies --------------------------------------------------------------------- */

static void message_write_reply(struct fr_connection *c)
{
    struct fr_buffer *scratch = &c->worker->scratch;

    fr_ws_write(&c->replies, FR_WS_BINARY, scratch->bytes, scratch->len);
    c->replies.failed = c->replies.failed || scratch->failed;
}

void fr_message_write_ack(struct fr_connection *c, struct fr_message_id id)
{
    fr_buffer_clear(&c->worker->scratch);
    fr_envelope_write_ack(&c->worker->scratch, id.txid, id.topic);
    message_write_reply(c);
    fr_count(FR_COUNT_ACKS);
}

void fr_message_write_error(struct fr_connection *c, struct fr_span txid)
{
    fr_buffer_clear(&c->worker->scratch);
    fr_envelope_write_error(&c->worker->scratch, txid);
    message_write_reply(c);
    fr_count(FR_COUNT_ERROR_REPLIES);
}

void fr_message_write_completion(struct fr_connection *c, const struct fr_record *record)
{
    struct fr_message_id id = {
        .txid = {(const uint8_t *)record->txid, record->txid_len},
        .topic = {(const uint8_t *)record->ack_topic, strlen(record->ack_topic)},
    };

    if (atomic_load_explicit(&record->refused, memory_order_relaxed))
        fr_message_write_error(c, id.txid);
    else
        fr_message_write_ack(c, id);
}

/* ---- checks ---------------------------------------------------------------------- */

static enum fr_message_verdict message_reject(const struct fr_connection *c,
                                              enum fr_counter counter, const char *why)
{
    static struct fr_log_limit limit;
    char vin[FR_REDACTED_VIN_SIZE];

    fr_count(counter);
    fr_presence_fault(c->vehicle, fr_wall_ms());
    fr_log_limited(&limit, FR_LOG_WARNING, "%s (%s): message rejected: %s",
                   fr_display_vin(c->identity.vin, vin), c->peer, why);
    return FR_MESSAGE_REJECT;
}

static bool message_span_is(struct fr_span span, const char *text)
{
    return span.len == strlen(text) && memcmp(span.bytes, text, span.len) == 0;
}

/* Tesla's server makes the same comparison. */
static bool message_sender_matches(const struct fr_connection *c, struct fr_span sender)
{
    return message_span_is(sender, c->identity.sender) || message_span_is(sender, c->identity.vin);
}

static bool message_topic_is_valid(struct fr_span topic)
{
    for (size_t i = 0; i < topic.len; i++)
        if (topic.bytes[i] <= 0x20 || topic.bytes[i] >= 0x7f)
            return false;
    return topic.len != 0 && topic.len <= FR_TOPIC_MAX;
}

/* Whether a record keeps the topic that the vehicle gave; else its topic becomes FR_TOPIC_UNKNOWN.
 * Only the daemon makes presence records, so a vehicle's record never keeps that topic. */
static bool message_keeps_topic(struct fr_connection *c, struct fr_span topic)
{
    enum fr_record_type type = fr_record_type_of(topic.bytes, topic.len);

    if (type == FR_RECORD_PRESENCE) {
        fr_count(FR_COUNT_TOPIC_UNKNOWN);
        return false;
    }
    return type != FR_RECORD_OTHER ||
           fr_routes_names_topic(c->worker->routes, (const char *)topic.bytes, topic.len) ||
           fr_topics_keep((const char *)topic.bytes, topic.len, fr_presence_topics(c->vehicle),
                          c->identity.vin);
}

/* Envelopes without a stream message, by their kind. */
static _Atomic uint64_t unknown_kinds[UINT8_MAX + 1];

uint64_t fr_message_unknown(uint8_t kind)
{
    return atomic_load_explicit(&unknown_kinds[kind], memory_order_relaxed);
}

/* Check an envelope. Returns NULL, or why the message is rejected, with the counter for it. */
static const char *message_check(const struct fr_connection *c, const struct fr_envelope *e,
                                 enum fr_counter *counter)
{
    *counter = FR_COUNT_ENVELOPE_BAD;
    if (e->txid.len > FR_TXID_MAX)
        return "its txid is too long";
    if (e->kind != FR_ENVELOPE_STREAM || !e->has_message) {
        *counter = FR_COUNT_ENVELOPE_UNKNOWN;
        atomic_fetch_add_explicit(&unknown_kinds[e->kind], 1, memory_order_relaxed);
        return "its envelope holds no stream message";
    }
    if (!message_topic_is_valid(e->topic))
        return "its topic is empty, too long or not printable ASCII";
    if (fr_record_type_of(e->topic.bytes, e->topic.len) == FR_RECORD_OTHER &&
        !fr_routes_has_topic(c->worker->routes, (const char *)e->topic.bytes, e->topic.len) &&
        !message_sender_matches(c, e->sender_id)) {
        *counter = FR_COUNT_SENDER_MISMATCH;
        return "its topic is not routed and its sender_id is not the certificate's";
    }
    return NULL;
}

/* ---- records --------------------------------------------------------------------- */

/* Hand a record to the dispatch; the caller's reference is dropped. */
static enum fr_message_verdict message_dispatch(struct fr_connection *c, struct fr_record *record)
{
    struct fr_worker *worker = c->worker;
    bool waits;

    record->completion_slot = c->slot;
    record->completion_generation = c->generation;
    fr_presence_touch(c->vehicle, record->received_ms);
    waits = fr_dispatch_record(worker->dispatch, record, &worker->completion);
    fr_count(FR_COUNT_RECORDS);
    fr_count_add(FR_COUNT_RECORD_BYTES, record->payload_len);
    fr_count(fr_record_types[record->type].records);
    fr_count_add(fr_record_types[record->type].bytes, record->payload_len);
    fr_record_unref(record);
    return waits ? FR_MESSAGE_ACKNOWLEDGE_LATER : FR_MESSAGE_ACKNOWLEDGE_NOW;
}

enum fr_message_verdict fr_message_receive(struct fr_connection *c, const uint8_t *bytes,
                                           size_t len, struct fr_message_id *id)
{
    struct fr_record_source source;
    enum fr_counter counter;
    struct fr_envelope e;
    struct fr_record *record;
    struct fr_error error;
    const char *why;

    *id = (struct fr_message_id){.txid = {NULL, 0}, .topic = {NULL, 0}};
    fr_count(FR_COUNT_MESSAGES);
    if (fr_envelope_read(bytes, len, &e) != 0)
        return message_reject(c, FR_COUNT_ENVELOPE_BAD, "it is not a FlatBuffers envelope");
    if (e.txid.len <= FR_TXID_MAX)
        *id = (struct fr_message_id){.txid = e.txid, .topic = e.topic};
    why = message_check(c, &e, &counter);
    if (why != NULL)
        return message_reject(c, counter, why);
    source = (struct fr_record_source){
        .vin = c->identity.vin,
        .topic = e.topic.bytes,
        .topic_len = e.topic.len,
        .txid = e.txid.bytes,
        .txid_len = e.txid.len,
        .client_version = c->identity.client_version,
        .payload = e.payload.bytes,
        .payload_len = e.payload.len,
        .received_ms = fr_wall_ms(),
    };
    if (!message_keeps_topic(c, e.topic)) {
        source.ack_topic = source.topic;
        source.ack_topic_len = source.topic_len;
        source.topic = (const uint8_t *)FR_TOPIC_UNKNOWN;
        source.topic_len = strlen(FR_TOPIC_UNKNOWN);
    }
    record = fr_record_new(&source, &error);
    if (record == NULL)
        return message_reject(c, FR_COUNT_PAYLOAD_BAD, error.text);
    if (!fr_routes_can_express(c->worker->routes, record)) {
        fr_record_unref(record);
        return message_reject(c, FR_COUNT_PAYLOAD_BAD,
                              "a time in it is outside the years 1 to 9999, which a route with "
                              "`format: tesla-json` cannot express");
    }
    return message_dispatch(c, record);
}

void fr_message_reject_oversized(const struct fr_connection *c)
{
    message_reject(c, FR_COUNT_MESSAGE_TOO_BIG, "it is longer than limits.message_size");
}
