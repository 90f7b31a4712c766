#include "mqtt/broker_publish.h"

#include <event2/event.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <string.h>

#include "clock_ms.h"
#include "mqtt/broker_state.h"

#define PAYLOAD_MAX 268435455 /* bytes; limit of MQTT */

/* ---- publishing ------------------------------------------------------------------ */

void broker_enable_write(struct broker *b)
{
    if (b->client != NULL && b->writable != NULL && mosquitto_want_write(b->client))
        event_add(b->writable, NULL);
}

bool broker_has_capacity(const struct broker *b)
{
    return b->up && in_flight_has_capacity(&b->in_flight) &&
           (b->suspect.one_at_a_time == 0 || b->in_flight.count == 0);
}

/* Whether libmosquitto rejects a message permanently. */
static bool broker_rejects_message(int code)
{
    return code == MOSQ_ERR_PAYLOAD_SIZE || code == MOSQ_ERR_MALFORMED_UTF8 ||
           code == MOSQ_ERR_INVAL || code == MOSQ_ERR_OVERSIZE_PACKET;
}

static void broker_refuse_message(struct broker *b, struct job *job, const char *topic, size_t len,
                                  const char *why)
{
    if (job != NULL)
        job_fail(job, FR_REFUSED, "a message of %zu bytes for %.60s is not sent: %s", len, topic,
                 why);
    else
        b->host->log(b->sink, FR_LOG_WARNING, "a message of %zu bytes for %.100s is not sent: %s",
                     len, topic, why);
}

/* Make the list of libmosquitto. Returns false if memory is exhausted. */
static bool broker_make_properties(const struct broker *b, const struct broker_property *properties,
                                   mosquitto_property **list)
{
    *list = NULL;
    if (b->version != MQTT_PROTOCOL_V5 || properties == NULL)
        return true;
    for (; properties->name != NULL; properties++)
        if (mosquitto_property_add_string_pair(list, MQTT_PROP_USER_PROPERTY, properties->name,
                                               properties->value) != MOSQ_ERR_SUCCESS) {
            mosquitto_property_free_all(list);
            return false;
        }
    return true;
}

/* Pass a message to libmosquitto. It is added to in_flight before the call, because a message of
 * QoS 0 may be confirmed during the call. */
static int broker_send(struct broker *b, const char *topic, const char *payload, size_t len,
                       bool retain, const mosquitto_property *properties,
                       const struct in_flight_message *message)
{
    uint16_t expected = in_flight_next_id(&b->in_flight);
    struct in_flight_message removed;
    int id = 0, code;

    if (b->in_flight.count == 0)
        b->progress_ms = fr_clock_monotonic_ms();
    in_flight_add(&b->in_flight, message);
    code =
        mosquitto_publish_v5(b->client, &id, topic, (int)len, payload, b->qos, retain, properties);
    if (id != 0)
        in_flight_used_id(&b->in_flight, id);
    if (code != MOSQ_ERR_SUCCESS || (id != 0 && id != expected)) {
        if (in_flight_take(&b->in_flight, expected, &removed))
            return code != MOSQ_ERR_SUCCESS ? code : MOSQ_ERR_UNKNOWN;
    }
    return MOSQ_ERR_SUCCESS;
}

void broker_publish(struct broker *b, const char *topic, const char *payload, size_t len,
                    bool retain, struct job *job)
{
    broker_publish_with(b, topic, payload, len, retain, NULL, job);
}

void broker_publish_with(struct broker *b, const char *topic, const char *payload, size_t len,
                         bool retain, const struct broker_property *properties, struct job *job)
{
    uint64_t hash = b->suspect.one_at_a_time != 0 || b->suspect.hash_refused != 0
                        ? suspect_hash(topic, len)
                        : 0;
    size_t size = strlen(topic) + len;
    struct in_flight_message message = {.size = (uint32_t)size, .hash = hash, .job = job};
    mosquitto_property *list = NULL;
    int code;

    if (!b->up || b->in_flight.message[in_flight_next_id(&b->in_flight)].used ||
        !broker_make_properties(b, properties, &list)) {
        if (job != NULL)
            job->retry = true;
        return;
    }
    if (len > PAYLOAD_MAX || suspect_refuses(&b->suspect, hash, size, fr_clock_monotonic_ms())) {
        broker_refuse_message(
            b, job, topic, len,
            len > PAYLOAD_MAX
                ? "it exceeds the limit of MQTT"
                : "the broker disconnected after a similar one; see earlier log lines");
        mosquitto_property_free_all(&list);
        return;
    }
    if (job != NULL)
        job_sent(job);
    code = broker_send(b, topic, payload, len, retain, list, &message);
    mosquitto_property_free_all(&list);
    if (code != MOSQ_ERR_SUCCESS) {
        if (broker_rejects_message(code))
            broker_refuse_message(
                b, job, topic, len,
                code == MOSQ_ERR_OVERSIZE_PACKET
                    ? "it exceeds the broker's packet limit (mosquitto: max_packet_size)"
                    : mosquitto_strerror(code));
        else if (job != NULL)
            job->retry = true;
        if (job != NULL)
            job_confirmed(b->jobs, job);
    }
    broker_enable_write(b);
}

void broker_subscribe(struct broker *b, const char *pattern)
{
    int id = 0;

    if (b->up)
        mosquitto_subscribe(b->client, &id, pattern, 1);
    if (id != 0)
        in_flight_used_id(&b->in_flight, id);
    broker_enable_write(b);
}

/* ---- completion ------------------------------------------------------------------ */

/* Whether a reason code of MQTT 5 is permanent for this message. */
static bool broker_reason_is_permanent(int reason)
{
    return reason == MQTT_RC_TOPIC_NAME_INVALID || reason == MQTT_RC_PACKET_TOO_LARGE ||
           reason == MQTT_RC_PAYLOAD_FORMAT_INVALID;
}

void broker_message_completed(struct broker *b, int id, int reason)
{
    struct in_flight_message message;

    if (!in_flight_take(&b->in_flight, id, &message))
        return;
    b->progress_ms = fr_clock_monotonic_ms();
    suspect_confirmed(&b->suspect, message.hash);
    if (message.job != NULL) {
        if (reason >= 0x80)
            job_fail(message.job, broker_reason_is_permanent(reason) ? FR_REFUSED : FR_FAILED,
                     "the broker refused a message: %s%s", mosquitto_reason_string(reason),
                     reason == MQTT_RC_NOT_AUTHORIZED ? " (may this user write to the topic?)"
                                                      : "");
        job_confirmed(b->jobs, message.job);
    }
    job_queue_wake(b->jobs);
}

void broker_drop_in_flight(struct broker *b)
{
    const struct in_flight_message *only = in_flight_only(&b->in_flight);
    size_t size = only != NULL ? only->size : 0;
    struct in_flight_message message;

    if (suspect_lost(&b->suspect, b->in_flight.count, only != NULL ? only->hash : 0, size,
                     fr_clock_monotonic_ms()))
        b->host->log(
            b->sink, FR_LOG_WARNING,
            "the broker disconnected %d times after one message of %zu bytes: for 10 minutes, "
            "refusing it and%s; check the broker's log for its packet limit (mosquitto: "
            "max_packet_size) and the user's rights",
            SUSPECT_LOSSES, size,
            size >= SUSPECT_SIZE_MIN ? " all messages of this size or more"
                                     : " others of its topic and size");
    while (in_flight_take_any(&b->in_flight, &message))
        if (message.job != NULL) {
            message.job->retry = message.job->lost = true;
            job_confirmed(b->jobs, message.job);
        }
}
