/*
 * The sink plugin mqtt.so: publishes values and records to an MQTT broker, as entities for Home
 * Assistant's discovery or in the topics of Tesla's server. This file connects the parts;
 * everything runs on the sink's thread.
 */
#include <stdlib.h>
#include <string.h>

#include "fleetroute/plugin.h"
#include "mqtt/broker.h"
#include "mqtt/discovery.h"
#include "mqtt/name_limit.h"
#include "mqtt/record_messages.h"
#include "mqtt/tesla_topics.h"
#include "mqtt/teslamate.h"

struct mqtt_sink {
    struct topics topics;
    struct fr_entities *entities;
    struct discovery *discovery; /* NULL unless LAYOUT_HOME_ASSISTANT */
    struct teslamate *teslamate; /* NULL unless LAYOUT_TESLAMATE */
};

/* ---- events of the broker -------------------------------------------------------- */

static void mqtt_broker_up(void *ctx)
{
    struct mqtt_sink *sink = ctx;

    if (sink->discovery != NULL)
        discovery_up(sink->discovery);
    if (sink->teslamate != NULL)
        teslamate_up(sink->teslamate);
}

static void mqtt_broker_down(void *ctx)
{
    struct mqtt_sink *sink = ctx;

    if (sink->discovery != NULL)
        discovery_down(sink->discovery);
    if (sink->teslamate != NULL)
        teslamate_down(sink->teslamate);
}

static void mqtt_broker_message(void *ctx, const char *topic, const char *payload, size_t len,
                                bool retained)
{
    struct mqtt_sink *sink = ctx;

    if (sink->discovery != NULL)
        discovery_message(sink->discovery, topic, payload, len, retained);
}

static const char *mqtt_broker_problem(void *ctx)
{
    const struct mqtt_sink *sink = ctx;

    return sink->teslamate != NULL ? teslamate_problem(sink->teslamate) : NULL;
}

static const struct broker_events broker_events = {mqtt_broker_up, mqtt_broker_down,
                                                   mqtt_broker_message, mqtt_broker_problem};

/* ---- deliveries ------------------------------------------------------------------ */

static bool mqtt_job_background(void *ctx)
{
    struct mqtt_sink *sink = ctx;

    return (sink->discovery != NULL && discovery_background(sink->discovery)) ||
           (sink->teslamate != NULL && teslamate_background(sink->teslamate));
}

static bool mqtt_job_ready(void *ctx)
{
    struct mqtt_sink *sink = ctx;

    return sink->discovery == NULL || discovery_ready(sink->discovery);
}

static bool mqtt_job_has_capacity(void *ctx)
{
    struct mqtt_sink *sink = ctx;

    return sink->topics.broker != NULL && broker_has_capacity(sink->topics.broker);
}

/* Whether a delivery is published in the messages of Tesla's server. A route that names another
 * format for its records gets records in this format. */
static bool mqtt_as_tesla(const struct mqtt_sink *sink, const struct fr_delivery *d)
{
    return sink->topics.layout == LAYOUT_TESLA &&
           (d->kind == FR_DELIVERY_FIELD || d->format == FR_FORMAT_JSON);
}

static bool mqtt_job_produce(void *ctx, struct job *job)
{
    struct mqtt_sink *sink = ctx;
    enum fr_tesla_result result;

    if (sink->discovery != NULL)
        return discovery_produce(sink->discovery, job);
    if (sink->teslamate != NULL)
        return teslamate_produce(sink->teslamate, job);
    if (job->messages == NULL && mqtt_as_tesla(sink, job->delivery)) {
        result = tesla_topics_step(&sink->topics, job);
        if (result != FR_TESLA_UNKNOWN)
            return result != FR_TESLA_MESSAGE;
    }
    if (job->delivery->kind == FR_DELIVERY_FIELD) {
        tesla_topics_value(&sink->topics, job);
        return true;
    }
    if (job->messages == NULL && (job->messages = record_messages_new(job->delivery)) == NULL) {
        job->retry = true;
        return true;
    }
    return record_messages_step(job->messages, &sink->topics, job);
}

static void mqtt_job_release(struct job *job)
{
    record_messages_free(job->messages);
    teslamate_release(job);
}

static const struct job_events job_events = {
    mqtt_job_background, mqtt_job_ready, mqtt_job_has_capacity, mqtt_job_produce, mqtt_job_release};

static void mqtt_deliver(void *state, struct fr_delivery *const *batch, size_t count)
{
    struct mqtt_sink *sink = state;

    for (size_t k = 0; k < count; k++)
        if (broker_is_up(sink->topics.broker))
            job_enqueue(sink->topics.jobs, batch[k]);
        else
            sink->topics.host->done(sink->topics.sink, batch[k], FR_RETRY);
    job_queue_run(sink->topics.jobs);
}

/* ---- open and close -------------------------------------------------------------- */

static const char *mqtt_base_of(struct fr_sink *sink, const struct fr_host *host)
{
    const char *base = host->text(sink, "topic");

    if (base != NULL)
        return base;
    switch (host->number(sink, "layout")) {
    case LAYOUT_HOME_ASSISTANT:
        return "fleetroute";
    case LAYOUT_TESLAMATE:
        return "teslamate";
    default:
        return "tesla";
    }
}

static bool mqtt_is_topic(const char *text)
{
    return strpbrk(text, "+#") == NULL && text[0] != '\0' && strlen(text) <= 100;
}

static void mqtt_check(struct fr_sink *sink, const struct fr_host *host)
{
    int64_t port = host->number(sink, "port");
    char why[512];

    if (!mqtt_is_topic(mqtt_base_of(sink, host)))
        host->config_error(sink, "topic", NULL,
                           "topic must be 1 to 100 characters without + and #, such as tesla");
    if (!mqtt_is_topic(host->text(sink, "discovery_prefix")))
        host->config_error(sink, "discovery_prefix", NULL,
                           "discovery_prefix must be 1 to 100 characters without + and #");
    if (host->text(sink, "port") != NULL && (port < 1 || port > 65535))
        host->config_error(sink, "port", NULL, "port must be between 1 and 65535");
    if (host->number(sink, "keepalive") < 5000 || host->number(sink, "keepalive") > 3600000)
        host->config_error(sink, "keepalive", NULL, "keepalive must be between 5 s and 1 h");
    teslamate_check(sink, host);
    if (host->number(sink, "layout") == LAYOUT_HOME_ASSISTANT) {
        struct fr_entities *entities =
            fr_entities_load(host->text(sink, "entities"), why, sizeof why);

        if (entities == NULL)
            host->config_error(sink, "entities", NULL, "%s", why);
        fr_entities_free(entities);
    }
}

static void mqtt_close_instance(void *state)
{
    struct mqtt_sink *sink = state;

    if (sink->discovery != NULL && sink->topics.broker != NULL)
        discovery_end(sink->discovery);
    if (sink->teslamate != NULL && sink->topics.broker != NULL)
        teslamate_end(sink->teslamate);
    broker_free(sink->topics.broker);
    name_limit_free(sink->topics.names);
    job_queue_free(sink->topics.jobs);
    discovery_free(sink->discovery);
    teslamate_free(sink->teslamate);
    fr_entities_free(sink->entities);
    free(sink);
}

static bool mqtt_open_layout(struct mqtt_sink *sink)
{
    char why[512];

    if (sink->topics.layout == LAYOUT_TESLAMATE)
        return (sink->teslamate = teslamate_new(&sink->topics)) != NULL;
    if (sink->topics.layout != LAYOUT_HOME_ASSISTANT)
        return true;
    sink->entities =
        fr_entities_load(sink->topics.host->text(sink->topics.sink, "entities"), why, sizeof why);
    if (sink->entities == NULL) {
        sink->topics.host->config_error(sink->topics.sink, "entities", NULL, "%s", why);
        return false;
    }
    sink->discovery = discovery_new(&sink->topics, sink->entities);
    return sink->discovery != NULL;
}

static void *mqtt_open_instance(struct fr_sink *handle, const struct fr_host *host)
{
    struct mqtt_sink *sink = calloc(1, sizeof *sink);

    if (sink == NULL)
        return NULL;
    sink->topics = (struct topics){
        .layout = (enum layout)host->number(handle, "layout"),
        .sink = handle,
        .host = host,
        .base = mqtt_base_of(handle, host),
        .retain = host->number(handle, "retain"),
    };
    sink->topics.jobs = job_queue_new(handle, host, &job_events, sink);
    sink->topics.names = name_limit_new();
    if (sink->topics.jobs != NULL && sink->topics.names != NULL && mqtt_open_layout(sink))
        sink->topics.broker = broker_new(
            handle, host, sink->discovery != NULL ? discovery_will(sink->discovery) : NULL,
            sink->topics.layout == LAYOUT_VALUES ? "messages have no unit, age and flags" : NULL,
            sink->topics.jobs, &broker_events, sink);
    if (sink->topics.broker != NULL)
        return sink;
    mqtt_close_instance(sink);
    return NULL;
}

static const struct fr_option options[] = {
    {"layout", FR_OPTION_CHOICE, "tesla", false, "tesla|homeassistant|values|teslamate",
     "messages of Tesla's server, entities that Home Assistant discovers, canonical values, or "
     "TeslaMate's topics"},
    {"topic", FR_OPTION_TEXT, NULL, false, NULL,
     "first level of all topics; if not set, tesla, (homeassistant) fleetroute or teslamate"},
    {"retain", FR_OPTION_BOOLEAN, "true", false, NULL,
     "let the broker retain the last value (homeassistant, teslamate: always)"},
    BROKER_OPTIONS,
    {"discovery_prefix", FR_OPTION_TEXT, "homeassistant", false, NULL,
     "homeassistant: the discovery prefix of Home Assistant's MQTT settings"},
    {"when_away", FR_OPTION_CHOICE, "keep", false, "keep|unavailable",
     "homeassistant: state of the entities of a vehicle that is not connected"},
    {"entities", FR_OPTION_TEXT, FR_DATA_DIR "/entities.yaml", false, NULL,
     "homeassistant: the entity catalogue"},
    {"position_age", FR_OPTION_DURATION, "30 s", false, NULL,
     "homeassistant: an older position triggers no zone automation"},
    {"position_gap", FR_OPTION_DURATION, "10 min", false, NULL,
     "homeassistant: a position after a gap of this length triggers no zone automation"},
    {"alert_age", FR_OPTION_DURATION, "5 min", false, NULL,
     "homeassistant: an alert that began longer ago is no event"},
    TESLAMATE_OPTIONS,
    {0},
};

extern const struct fr_plugin fleetroute_plugin;

const struct fr_plugin fleetroute_plugin = {
    FR_PLUGIN_HEADER,
    .name = "mqtt",
    .version = PACKAGE_VERSION,
    .summary =
        "an MQTT broker, with Home Assistant's discovery, or the topics of Tesla's server or "
        "TeslaMate",
    .options = options,
    .format = FR_FORMAT_JSON,
    .in_flight = 2000,
    .mode = FR_MODE_LATEST,
    .check = mqtt_check,
    .open = mqtt_open_instance,
    .deliver = mqtt_deliver,
    .close = mqtt_close_instance,
};
