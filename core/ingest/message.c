#include <string.h>

#include "ingest/envelope.h"
#include "ingest/worker.h"
#include "record/topics.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/redact.h"
#include "vehicle_connectivity.pb-c.h"

static struct fr_span span_of(const char *text)
{
    return (struct fr_span){(const uint8_t *)text, strlen(text)};
}

static void reply(struct fr_connection *c)
{
    struct fr_buffer *scratch = &c->worker->scratch;

    fr_ws_write(&c->replies, FR_WS_BINARY, scratch->bytes, scratch->len);
    c->replies.failed = c->replies.failed || scratch->failed;
    fr_connection_reply_later(c);
}

static void reply_ack(struct fr_connection *c, struct fr_span txid, struct fr_span topic)
{
    fr_buffer_clear(&c->worker->scratch);
    fr_envelope_write_ack(&c->worker->scratch, txid, topic);
    reply(c);
    fr_count(FR_COUNT_ACKS);
}

static void reply_error(struct fr_connection *c, struct fr_span txid)
{
    fr_buffer_clear(&c->worker->scratch);
    fr_envelope_write_error(&c->worker->scratch, txid);
    reply(c);
    fr_count(FR_COUNT_ERROR_REPLIES);
}

/* Answer a message that cannot be taken: counted, logged once a minute, replied to. */
static void refuse(struct fr_connection *c, enum fr_counter counter, struct fr_span txid,
                   const char *why)
{
    static struct fr_log_limit limit;
    char shown[FR_REDACTED_VIN_SIZE];

    fr_count(counter);
    fr_log_limited(&limit, FR_LOG_WARNING, "%s (%s): message refused: %s",
                   fr_shown_vin(c->who.vin, shown), c->peer, why);
    reply_error(c, txid);
}

static bool span_is(struct fr_span span, const char *text)
{
    return span.len == strlen(text) && memcmp(span.bytes, text, span.len) == 0;
}

/* A topic that nothing is routed for is taken only from who says truly who it is, as Tesla's
 * server does. */
static bool sender_matches(const struct fr_connection *c, struct fr_span sender)
{
    return span_is(sender, c->who.sender) || span_is(sender, c->who.vin);
}

static void submit(struct fr_connection *c, struct fr_record *record, struct fr_span txid,
                   struct fr_span topic)
{
    struct fr_worker *worker = c->worker;
    bool waits;

    record->owner_slot = c->slot;
    record->owner_generation = c->generation;
    fr_presence_spoke(c->present, record->received_ms);
    waits = fr_dispatch_record(worker->dispatch, record, &worker->owner);
    fr_count(FR_COUNT_RECORDS);
    fr_count_add(FR_COUNT_RECORD_BYTES, record->payload_len);
    fr_count((enum fr_counter)(FR_COUNT_RECORDS_V + record->type));
    fr_count_add((enum fr_counter)(FR_COUNT_BYTES_V + record->type), record->payload_len);
    fr_record_unref(record);
    if (waits) {
        c->unacknowledged++;
        fr_connection_update_reading(c);
    } else
        reply_ack(c, txid, topic);
}

static bool is_plain_topic(struct fr_span topic)
{
    for (size_t i = 0; i < topic.len; i++)
        if (topic.bytes[i] <= 0x20 || topic.bytes[i] >= 0x7f)
            return false;
    return topic.len != 0 && topic.len <= FR_TOPIC_MAX;
}

/* Whether a record is taken under the topic that the vehicle gave. Presence is what we say of a
 * vehicle; no vehicle sends it. */
static bool keeps_topic(struct fr_connection *c, struct fr_span topic)
{
    enum fr_record_type type = fr_record_type_of(topic.bytes, topic.len);

    if (type == FR_RECORD_PRESENCE) {
        fr_count(FR_COUNT_TOPIC_UNKNOWN);
        return false;
    }
    return type != FR_RECORD_OTHER ||
           fr_routes_names_topic(c->worker->routes, (const char *)topic.bytes, topic.len) ||
           fr_topics_keep((const char *)topic.bytes, topic.len, fr_presence_topics(c->present),
                          c->who.vin);
}

void fr_message_received(struct fr_connection *c, const uint8_t *bytes, size_t len)
{
    const struct fr_span none = {NULL, 0};
    struct fr_record_source source;
    struct fr_envelope e;
    struct fr_record *record;
    struct fr_error error;

    fr_count(FR_COUNT_MESSAGES);
    if (fr_envelope_read(bytes, len, &e) != 0) {
        refuse(c, FR_COUNT_ENVELOPE_BAD, none, "it is no FlatBuffers envelope");
        return;
    }
    if (e.txid.len > FR_TXID_MAX) {
        refuse(c, FR_COUNT_ENVELOPE_BAD, none, "its txid is too long");
        return;
    }
    if (e.kind != FR_ENVELOPE_STREAM || !e.has_message) {
        refuse(c, FR_COUNT_ENVELOPE_UNKNOWN, e.txid, "its envelope holds no stream message");
        return;
    }
    if (!is_plain_topic(e.topic)) {
        refuse(c, FR_COUNT_ENVELOPE_BAD, e.txid, "it has no usable topic");
        return;
    }
    if (fr_record_type_of(e.topic.bytes, e.topic.len) == FR_RECORD_OTHER &&
        !fr_routes_know_topic(c->worker->routes, (const char *)e.topic.bytes, e.topic.len) &&
        !sender_matches(c, e.sender_id)) {
        refuse(c, FR_COUNT_SENDER_MISMATCH, e.txid,
               "its topic is not routed and its sender_id is not the certificate's");
        return;
    }
    source = (struct fr_record_source){
        .vin = c->who.vin,
        .topic = e.topic.bytes,
        .topic_len = e.topic.len,
        .txid = e.txid.bytes,
        .txid_len = e.txid.len,
        .client_version = c->who.client_version,
        .payload = e.payload.bytes,
        .payload_len = e.payload.len,
        .received_ms = fr_wall_ms(),
    };
    if (!keeps_topic(c, e.topic)) {
        source.ack_topic = source.topic;
        source.ack_topic_len = source.topic_len;
        source.topic = (const uint8_t *)FR_TOPIC_UNKNOWN;
        source.topic_len = strlen(FR_TOPIC_UNKNOWN);
    }
    record = fr_record_new(&source, &error);
    if (record == NULL)
        refuse(c, FR_COUNT_PAYLOAD_BAD, e.txid, error.text);
    else
        submit(c, record, e.txid, e.topic);
}

void fr_message_oversized(struct fr_connection *c)
{
    refuse(c, FR_COUNT_MESSAGE_TOO_BIG, (struct fr_span){NULL, 0},
           "it is longer than limits.message_size");
}

void fr_message_settled(struct fr_connection *c, const struct fr_record *record)
{
    struct fr_span txid = {(const uint8_t *)record->txid, record->txid_len};

    if (c->unacknowledged > 0)
        c->unacknowledged--;
    if (atomic_load_explicit(&record->refused, memory_order_relaxed))
        reply_error(c, txid);
    else
        reply_ack(c, txid, span_of(record->ack_topic));
}

/* A record of our own about a vehicle's connection; nobody waits for its acknowledgement. */
struct happening {
    const char *topic, *vin, *connection_id, *network_interface, *client_version;
    bool connected;
};

static void dispatch_event(struct fr_worker *worker, const struct happening *event)
{
    Telemetry__VehicleConnectivity__VehicleConnectivity message =
        TELEMETRY__VEHICLE_CONNECTIVITY__VEHICLE_CONNECTIVITY__INIT;
    Google__Protobuf__Timestamp now = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    uint8_t bytes[512];
    struct fr_record_source source = {
        .vin = event->vin,
        .topic = (const uint8_t *)event->topic,
        .topic_len = strlen(event->topic),
        .txid = (const uint8_t *)event->connection_id,
        .txid_len = strlen(event->connection_id),
        .client_version = event->client_version,
        .payload = bytes,
        .received_ms = fr_wall_ms(),
    };
    int64_t ns = fr_wall_ns();
    struct fr_record *record;
    struct fr_error error;

    now.seconds = ns / 1000000000;
    now.nanos = (int32_t)(ns % 1000000000);
    message.vin = (char *)(uintptr_t)event->vin;
    message.connection_id = (char *)(uintptr_t)event->connection_id;
    message.network_interface = (char *)(uintptr_t)event->network_interface;
    message.created_at = &now;
    message.status = event->connected
                         ? TELEMETRY__VEHICLE_CONNECTIVITY__CONNECTIVITY_EVENT__CONNECTED
                         : TELEMETRY__VEHICLE_CONNECTIVITY__CONNECTIVITY_EVENT__DISCONNECTED;
    source.payload_len =
        telemetry__vehicle_connectivity__vehicle_connectivity__pack(&message, bytes);
    record = fr_record_new(&source, &error);
    if (record == NULL)
        return;
    fr_dispatch_record(worker->dispatch, record, NULL);
    fr_record_unref(record);
}

/* A vehicle's presence record. It is handed over at once: another worker's for the same vehicle must
 * not overtake it, and the presence's lock is held. */
static void announce(struct fr_worker *worker, struct happening *event, bool here)
{
    event->topic = "presence";
    event->connected = here;
    dispatch_event(worker, event);
    fr_dispatch_flush(worker->dispatch);
}

static void announce_arrival(void *ctx, const char *vin, bool here)
{
    struct fr_connection *c = ctx;
    struct happening event = {
        .vin = vin,
        .connection_id = c->who.connection_id,
        .network_interface = c->who.network_interface,
        .client_version = c->who.client_version,
    };

    announce(c->worker, &event, here);
}

static void announce_gone(void *ctx, const char *vin, bool here)
{
    struct happening event = {
        .vin = vin, .connection_id = "", .network_interface = "", .client_version = ""};

    announce(ctx, &event, here);
}

void fr_message_connectivity(struct fr_connection *c, bool connected)
{
    struct fr_presence *presence = c->worker->ingest->presence;
    struct happening event = {
        .topic = "connectivity",
        .vin = c->who.vin,
        .connection_id = c->who.connection_id,
        .network_interface = c->who.network_interface,
        .client_version = c->who.client_version,
        .connected = connected,
    };

    dispatch_event(c->worker, &event);
    if (connected)
        c->present = fr_presence_up(presence, c->who.vin, &c->link, announce_arrival, c);
    else
        fr_presence_down(presence, c->present, &c->link, fr_monotonic_ms());
}

void fr_message_gone(struct fr_worker *worker, int64_t now_ms)
{
    while (fr_presence_gone(worker->ingest->presence, now_ms, announce_gone, worker))
        ;
}
