/* The mqtt plugin: topics and payloads of the layouts values and homeassistant, and messages from the
 * broker. fuzz_record.c has the payloads of the layout tesla. */
#include <event2/event.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deliveries.h"
#include "mqtt/discovery.h"
#include "mqtt/name_limit.h"
#include "mqtt/record_messages.h"

#define STEPS_MAX 100000

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static struct topics topics;
static struct discovery *discovery;
static unsigned capacity_calls;

/* ---- a stub broker that checks each message -------------------------------------- */

bool broker_has_capacity(const struct broker *broker)
{
    (void)broker;
    return ++capacity_calls % 5 != 0;
}

void broker_publish_with(struct broker *broker, const char *topic, const char *payload, size_t len,
                         bool retain, const struct broker_property *properties, struct job *job)
{
    for (; properties != NULL && properties->name != NULL; properties++)
        fuzz_check_text(properties->value);
    broker_publish(broker, topic, payload, len, retain, job);
}

void broker_publish(struct broker *broker, const char *topic, const char *payload, size_t len,
                    bool retain, struct job *job)
{
    (void)broker, (void)retain, (void)job;
    fuzz_check_text(topic);
    if (strpbrk(topic, "+#") != NULL || strstr(topic, "//") != NULL || strlen(topic) > 65535)
        abort();
    if (len != 0 && (payload[0] == '{' || payload[0] == '[') &&
        (job == NULL || job->delivery->format != FR_FORMAT_PROTOBUF))
        fuzz_check_json(payload, len);
}

void broker_subscribe(struct broker *broker, const char *pattern)
{
    (void)broker;
    fuzz_check_text(pattern);
}

void job_fail(struct job *job, enum fr_outcome outcome, const char *format, ...)
{
    (void)format;
    job->outcome = outcome;
}

void job_queue_wake(struct job_queue *queue)
{
    (void)queue;
}

/* ---- deliveries ------------------------------------------------------------------ */

static void run(struct fr_delivery *d, bool (*produce)(struct job *job))
{
    struct job job = {.delivery = d};
    size_t steps = 0;

    while (!produce(&job))
        if (++steps > STEPS_MAX)
            abort();
    record_messages_free(job.messages);
    if (job.retry)
        abort();
}

static bool produce_values(struct job *job)
{
    if (job->delivery->kind == FR_DELIVERY_FIELD) {
        tesla_topics_value(&topics, job);
        return true;
    }
    if (job->messages == NULL)
        job->messages = record_messages_new(job->delivery);
    return record_messages_step(job->messages, &topics, job);
}

static bool produce_home(struct job *job)
{
    return discovery_produce(discovery, job);
}

static void deliver(struct fr_delivery *d)
{
    run(d, produce_values);
    run(d, produce_home);
}

/* ---- messages from the broker ----------------------------------------------------- */

static void receive(const char *topic, const uint8_t *bytes, size_t len, bool retained)
{
    char *exact = malloc(len != 0 ? len : 1), *copy = strdup(topic);

    if (len != 0)
        memcpy(exact, bytes, len);
    discovery_message(discovery, copy, len != 0 ? exact : "", len, retained);
    free(exact);
    free(copy);
}

static void run_connection(const uint8_t *bytes, size_t len)
{
    char topic[64] = "base/";
    size_t n = len < 40 ? len : 40;

    discovery_up(discovery);
    while (discovery_background(discovery))
        continue;
    memcpy(topic + (len & 1 ? 0 : 5), bytes, n);
    receive(topic, bytes, len, true);
    receive("base/5YJ3E1EA7KF000001/location", bytes, len, true);
    receive("homeassistant/status", (const uint8_t *)"online", 6, false);
    receive("base/status", bytes, len, false);
    while (discovery_background(discovery))
        continue;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static struct fr_entities *entities;
    char reason[256];

    if (len > 20000)
        return 0;
    if (entities == NULL)
        entities =
            fr_entities_parse(fuzz_entities, strlen(fuzz_entities), "f", reason, sizeof reason);
    topics = (struct topics){
        .layout = LAYOUT_VALUES, .host = &fuzz_host, .base = "base", .names = name_limit_new()};
    discovery = discovery_new(&topics, entities);
    if (entities == NULL || discovery == NULL)
        abort();
    fuzz_deliveries(bytes, len, deliver);
    run_connection(bytes, len);
    fuzz_deliveries(bytes, len, deliver);
    discovery_down(discovery);
    discovery_free(discovery);
    name_limit_free(topics.names);
    return 0;
}
