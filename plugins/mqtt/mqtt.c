/*
 * mqtt.so - values and records to an MQTT broker: as entities that Home Assistant discovers, or
 * in the topics of Tesla's server.
 */
#include <stdlib.h>
#include <string.h>

#include "fleetroute/plugin.h"
#include "mqtt/broker.h"
#include "mqtt/discovery.h"
#include "mqtt/name_limit.h"
#include "mqtt/record_messages.h"
#include "mqtt/tesla_topics.h"

enum { LAYOUT_TESLA, LAYOUT_HOME_ASSISTANT }; /* as in the list of `layout` */

struct instance {
    struct topics topics;
    struct fr_entities *entities;
    struct discovery *discovery; /* NULL: Tesla's layout */
};

/* ---- the broker's events --------------------------------------------------------- */

static void up(void *ctx)
{
    struct instance *i = ctx;

    if (i->discovery != NULL)
        discovery_up(i->discovery);
}

static void down(void *ctx)
{
    struct instance *i = ctx;

    if (i->discovery != NULL)
        discovery_down(i->discovery);
}

static void message(void *ctx, const char *topic, const char *payload, size_t len, bool retained)
{
    struct instance *i = ctx;

    if (i->discovery != NULL)
        discovery_message(i->discovery, topic, payload, len, retained);
}

static const struct broker_events events = {up, down, message};

/* ---- delivering ------------------------------------------------------------------ */

static bool job_background(void *ctx)
{
    struct instance *i = ctx;

    return i->discovery != NULL && discovery_background(i->discovery);
}

static bool job_ready(void *ctx)
{
    struct instance *i = ctx;

    return i->discovery == NULL || discovery_ready(i->discovery);
}

static bool job_has_capacity(void *ctx)
{
    struct instance *i = ctx;

    return i->topics.broker != NULL && broker_has_capacity(i->topics.broker);
}

static bool job_produce(void *ctx, struct job *job)
{
    struct instance *i = ctx;

    if (i->discovery != NULL)
        return discovery_produce(i->discovery, job);
    if (job->delivery->kind == FR_DELIVERY_FIELD) {
        tesla_topics_value(&i->topics, job);
        return true;
    }
    if (job->messages == NULL && (job->messages = record_messages_new(job->delivery)) == NULL) {
        job->retry = true;
        return true;
    }
    return record_messages_step(job->messages, &i->topics, job);
}

static const struct job_events job_events = {job_background, job_ready, job_has_capacity,
                                             job_produce};

static void deliver(void *state, struct fr_delivery *const *batch, size_t count)
{
    struct instance *i = state;

    for (size_t k = 0; k < count; k++)
        if (broker_is_up(i->topics.broker))
            job_enqueue(i->topics.jobs, batch[k]);
        else
            i->topics.host->done(i->topics.sink, batch[k], FR_RETRY);
    job_queue_run(i->topics.jobs);
}

/* ---- life ------------------------------------------------------------------------ */

static const char *base_of(struct fr_sink *sink, const struct fr_host *host)
{
    const char *base = host->text(sink, "topic");

    return base != NULL                                            ? base
           : host->number(sink, "layout") == LAYOUT_HOME_ASSISTANT ? "fleetroute"
                                                                   : "tesla";
}

static bool is_topic(const char *text)
{
    return strpbrk(text, "+#") == NULL && text[0] != '\0' && strlen(text) <= 100;
}

static void check(struct fr_sink *sink, const struct fr_host *host)
{
    int64_t port = host->number(sink, "port");
    char why[512];

    if (!is_topic(base_of(sink, host)))
        host->wrong(sink, "topic", NULL,
                    "topic must be 1 to 100 characters without + and #, such as tesla");
    if (!is_topic(host->text(sink, "discovery_prefix")))
        host->wrong(sink, "discovery_prefix", NULL,
                    "discovery_prefix must be 1 to 100 characters without + and #");
    if (host->text(sink, "port") != NULL && (port < 1 || port > 65535))
        host->wrong(sink, "port", NULL, "port must lie between 1 and 65535");
    if (host->number(sink, "keepalive") < 5000 || host->number(sink, "keepalive") > 3600000)
        host->wrong(sink, "keepalive", NULL, "keepalive must lie between 5 s and 1 h");
    if (host->number(sink, "layout") == LAYOUT_HOME_ASSISTANT) {
        struct fr_entities *entities =
            fr_entities_load(host->text(sink, "entities"), why, sizeof why);

        if (entities == NULL)
            host->wrong(sink, "entities", NULL, "%s", why);
        fr_entities_free(entities);
    }
}

static void close_instance(void *state)
{
    struct instance *i = state;

    if (i->discovery != NULL && i->topics.broker != NULL)
        discovery_end(i->discovery);
    broker_free(i->topics.broker);
    name_limit_free(i->topics.names);
    job_queue_free(i->topics.jobs);
    discovery_free(i->discovery);
    fr_entities_free(i->entities);
    free(i);
}

static bool open_layout(struct instance *i)
{
    char why[512];

    if (i->topics.host->number(i->topics.sink, "layout") != LAYOUT_HOME_ASSISTANT)
        return true;
    i->entities =
        fr_entities_load(i->topics.host->text(i->topics.sink, "entities"), why, sizeof why);
    if (i->entities == NULL) {
        i->topics.host->wrong(i->topics.sink, "entities", NULL, "%s", why);
        return false;
    }
    i->discovery = discovery_new(&i->topics, i->entities);
    return i->discovery != NULL;
}

static void *open_instance(struct fr_sink *sink, const struct fr_host *host)
{
    struct instance *i = calloc(1, sizeof *i);

    if (i == NULL)
        return NULL;
    i->topics = (struct topics){
        .sink = sink,
        .host = host,
        .base = base_of(sink, host),
        .retain = host->number(sink, "retain"),
    };
    i->topics.jobs = job_queue_new(sink, host, &job_events, i);
    i->topics.names = name_limit_new();
    if (i->topics.jobs != NULL && i->topics.names != NULL && open_layout(i))
        i->topics.broker =
            broker_new(sink, host, i->discovery != NULL ? discovery_will(i->discovery) : NULL,
                       i->topics.jobs, &events, i);
    if (i->topics.broker != NULL)
        return i;
    close_instance(i);
    return NULL;
}

static const struct fr_option options[] = {
    {"layout", FR_OPTION_CHOICE, "tesla", false, "tesla|homeassistant",
     "topics of Tesla's server, or entities that Home Assistant discovers"},
    {"topic", FR_OPTION_TEXT, NULL, false, NULL,
     "what topics begin with; if not set, tesla or (homeassistant) fleetroute"},
    {"retain", FR_OPTION_BOOLEAN, "true", false, NULL,
     "the broker keeps the last value (homeassistant: always)"},
    BROKER_OPTIONS,
    {"discovery_prefix", FR_OPTION_TEXT, "homeassistant", false, NULL,
     "homeassistant: as in Home Assistant's MQTT settings"},
    {"when_away", FR_OPTION_CHOICE, "keep", false, "keep|unavailable",
     "homeassistant: entities of a vehicle that is not connected"},
    {"entities", FR_OPTION_TEXT, FR_DATA_DIR "/entities.yaml", false, NULL,
     "homeassistant: the entity catalogue"},
    {"position_age", FR_OPTION_DURATION, "30 s", false, NULL,
     "homeassistant: an older position sets off no zone automation"},
    {"position_gap", FR_OPTION_DURATION, "10 min", false, NULL,
     "homeassistant: nor does one after so long a silence"},
    {0},
};

extern const struct fr_plugin fleetroute_plugin;

const struct fr_plugin fleetroute_plugin = {
    .abi = FLEETROUTE_PLUGIN_ABI,
    .name = "mqtt",
    .version = PACKAGE_VERSION,
    .summary = "an MQTT broker, with Home Assistant's discovery or the topics of Tesla's server",
    .options = options,
    .format = FR_FORMAT_JSON,
    .in_flight = 2000,
    .mode = FR_MODE_LATEST,
    .check = check,
    .open = open_instance,
    .deliver = deliver,
    .close = close_instance,
};
