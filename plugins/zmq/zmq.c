/*
 * The sink plugin zmq.so: publishes records and values over ZeroMQ, in the two frames of Tesla's server.
 * This file decides what happens to each delivery, and reports the health. Everything runs on the sink's
 * thread.
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleetroute/plugin.h"
#include "clock_ms.h"
#include "delivery_list.h"
#include "path_pattern.h"
#include "zmq/endpoint.h"
#include "zmq/publisher.h"

#define GATHER_MS 10        /* between two batches under load */
#define CHECK_MS 1000       /* between two looks at the listener */
#define PAUSE_MS 10         /* between two attempts while a queue is full */
#define DEGRADED_MS 60000   /* after the last message that a subscriber did not get */
#define IMPATIENT_MS 100    /* see zeromq_drops() */
#define IMPATIENT_FACTOR 10 /* times slow_after: how long IMPATIENT_MS applies */
#define TOPIC_SIZE SUBSCRIPTION_BYTES_MAX

enum layout { LAYOUT_TESLA, LAYOUT_TESLALOGGER };

struct zeromq_sink {
    struct fr_sink *handle; /* for calls of `host` */
    const struct fr_host *host;
    struct publisher *publisher;
    struct event *check_timer, *pause_timer;
    const char *endpoint, *topic, *field_topic;
    enum layout layout;
    bool wait;                             /* wait_for_subscriber */
    int64_t patience_ms;                   /* slow_after */
    struct delivery_list waiting;          /* for capacity */
    int64_t full_since_ms;                 /* monotonic: 0 unless a delivery waits for capacity */
    int64_t impatient_until_ms;            /* monotonic: until then IMPATIENT_MS applies */
    int64_t dropped_ms;                    /* monotonic: of the last drop; 0: none */
    unsigned long long overflows, skipped; /* see zeromq_report() */
    int bind_error;                        /* errno value; 0: bound */
    bool stopped;                          /* FR_HEALTH_DOWN is reported */
};

/* ---- health ---------------------------------------------------------------------- */

/* Whether nothing can be delivered: the port is not bound, or records wait for a subscriber. */
static bool zeromq_is_down(const struct zeromq_sink *sink)
{
    return !publisher_is_bound(sink->publisher) ||
           (sink->wait && publisher_counts(sink->publisher)->subscribed == 0);
}

static void zeromq_report_down(struct zeromq_sink *sink)
{
    const struct subscribers_counts *counts = publisher_counts(sink->publisher);

    if (sink->bind_error != 0)
        sink->host->health(sink->handle, FR_HEALTH_DOWN, "cannot bind %s: %s (%s)", sink->endpoint,
                           strerror(sink->bind_error), endpoint_remedy(sink->bind_error));
    else if (counts->failed != 0)
        sink->host->health(sink->handle, FR_HEALTH_DOWN,
                           "no subscriber at %s, so records wait (start one, or set "
                           "`wait_for_subscriber: false`); %llu handshakes failed: check the keys",
                           sink->endpoint, counts->failed);
    else
        sink->host->health(sink->handle, FR_HEALTH_DOWN,
                           "no subscriber at %s, so records wait (start one, or set "
                           "`wait_for_subscriber: false`)",
                           sink->endpoint);
}

static void zeromq_report_up(struct zeromq_sink *sink)
{
    const struct subscribers_counts *counts = publisher_counts(sink->publisher);
    bool slow = sink->dropped_ms != 0 && fr_clock_monotonic_ms() - sink->dropped_ms < DEGRADED_MS;
    bool open = !endpoint_is_loopback(sink->endpoint) &&
                sink->host->text(sink->handle, "curve_secret_key") == NULL;
    bool full = publisher_is_full(sink->publisher);
    char closed[128] = "";

    if (counts->closed != 0)
        snprintf(closed, sizeof closed, ", %llu disconnected, the last one because %s",
                 counts->closed, counts->closed_why);
    sink->host->health(
        sink->handle, slow || full ? FR_HEALTH_DEGRADED : FR_HEALTH_UP,
        "%zu subscriber%s at %s%s%s%s; queues were full %llu times%s", counts->subscribed,
        counts->subscribed == 1 ? "" : "s", sink->endpoint,
        open ? ", readable by everyone on the network: set curve_secret_key" : "",
        full ? ", and no more are accepted: raise max_subscribers" : "", closed, sink->overflows,
        slow ? ", and a slow subscriber lost messages: let it read faster, or raise send_hwm" : "");
}

static void zeromq_report(struct zeromq_sink *sink)
{
    bool down = zeromq_is_down(sink);

    if (down)
        zeromq_report_down(sink);
    else
        zeromq_report_up(sink);
    sink->stopped = down;
}

/* ---- deliveries ------------------------------------------------------------------ */

static void zeromq_return_all(struct zeromq_sink *sink)
{
    struct fr_delivery *d;

    sink->full_since_ms = 0;
    while ((d = delivery_list_take(&sink->waiting)) != NULL)
        sink->host->done(sink->handle, d, FR_RETRY);
}

/* TeslaLogger takes any record but V and alerts for a vehicle that falls asleep, and reads Tesla's JSON
 * only. True: the delivery is answered. */
static bool zeromq_filter(struct zeromq_sink *sink, struct fr_delivery *d)
{
    if (sink->layout != LAYOUT_TESLALOGGER)
        return false;
    if (d->kind == FR_DELIVERY_FIELD ||
        (strcmp(d->record_type, "V") != 0 && strcmp(d->record_type, "alerts") != 0)) {
        if (sink->skipped++ == 0)
            sink->host->log(sink->handle, FR_LOG_WARNING,
                            "layout teslalogger publishes records of V and alerts only; %s is "
                            "skipped: remove it from the routes to this sink",
                            d->kind == FR_DELIVERY_FIELD ? "the value of a field" : d->record_type);
        sink->host->done(sink->handle, d, FR_DONE);
        return true;
    }
    if (d->format == FR_FORMAT_TESLA_JSON)
        return false;
    sink->host->fail(sink->handle, d, FR_REFUSED,
                     "TeslaLogger reads Tesla's JSON only: remove `format:` from the route of %s",
                     d->record_type);
    return true;
}

static bool zeromq_topic(const struct zeromq_sink *sink, const struct fr_delivery *d,
                         char topic[TOPIC_SIZE])
{
    if (d->kind == FR_DELIVERY_RECORD)
        return fr_pattern_expand(sink->topic, d, d->received_ms, topic, TOPIC_SIZE);
    return fr_pattern_expand(sink->field_topic, d, d->received_ms, topic, TOPIC_SIZE);
}

/* Whether a full queue is not waited for (any longer). After a subscriber has used up slow_after, only
 * subscribers that make progress all the time are waited for: pauses for one that does not read take a
 * small part of the time. */
static bool zeromq_drops(struct zeromq_sink *sink)
{
    int64_t now, patience_ms = sink->patience_ms;

    if (!sink->wait)
        return true;
    now = fr_clock_monotonic_ms();
    if (sink->full_since_ms == 0)
        sink->full_since_ms = now;
    if (now < sink->impatient_until_ms && patience_ms > IMPATIENT_MS)
        patience_ms = IMPATIENT_MS;
    if (now - sink->full_since_ms < patience_ms)
        return false;
    sink->impatient_until_ms = now + IMPATIENT_FACTOR * sink->patience_ms;
    return true;
}

static enum publish_result zeromq_publish(struct zeromq_sink *sink, const struct fr_delivery *d,
                                          const char *topic)
{
    const void *bytes = d->bytes;
    size_t len = d->len;
    enum publish_result result;

    if (d->kind == FR_DELIVERY_FIELD)
        bytes = sink->host->json(sink->handle, d, &len);
    result = publisher_send(sink->publisher, topic, bytes, len, false);
    if (result != PUBLISH_FULL) {
        sink->full_since_ms = 0;
        return result;
    }
    if (!zeromq_drops(sink))
        return PUBLISH_FULL;
    sink->full_since_ms = 0;
    sink->overflows++;
    sink->dropped_ms = fr_clock_monotonic_ms();
    return publisher_send(sink->publisher, topic, bytes, len, true);
}

/* Answer a delivery. False: it waits for capacity. */
static bool zeromq_deliver_one(struct zeromq_sink *sink, struct fr_delivery *d)
{
    char topic[TOPIC_SIZE];

    if (zeromq_filter(sink, d))
        return true;
    if (!zeromq_topic(sink, d, topic)) {
        sink->host->fail(sink->handle, d, FR_REFUSED, "the topic \"%s\" is too long", topic);
        return true;
    }
    switch (zeromq_publish(sink, d, topic)) {
    case PUBLISH_FULL:
        return false;
    case PUBLISH_NO_MEMORY:
        sink->host->fail(sink->handle, d, FR_FAILED, "no memory for the message");
        return true;
    case PUBLISH_SENT:
    case PUBLISH_LOST:
    default:
        sink->host->done(sink->handle, d, FR_DONE);
        return true;
    }
}

static void zeromq_pause(struct zeromq_sink *sink)
{
    event_add(sink->pause_timer, &(struct timeval){0, PAUSE_MS * 1000});
}

static void zeromq_deliver(void *state, struct fr_delivery *const *batch, size_t count)
{
    struct zeromq_sink *sink = state;
    unsigned long long overflows = sink->overflows;

    for (size_t k = 0; k < count; k++)
        if (zeromq_is_down(sink))
            sink->host->done(sink->handle, batch[k], FR_RETRY);
        else if (sink->waiting.first != NULL || !zeromq_deliver_one(sink, batch[k]))
            delivery_list_add(&sink->waiting, batch[k]);
    if (sink->waiting.first != NULL && !event_pending(sink->pause_timer, EV_TIMEOUT, NULL))
        zeromq_pause(sink);
    publisher_read(sink->publisher);
    if (overflows != sink->overflows)
        zeromq_report(sink);
}

static void zeromq_pause_ended(evutil_socket_t fd, short what, void *ctx)
{
    struct zeromq_sink *sink = ctx;
    struct fr_delivery *d;

    (void)fd, (void)what;
    while ((d = delivery_list_take(&sink->waiting)) != NULL)
        if (!zeromq_deliver_one(sink, d)) {
            delivery_list_add_first(&sink->waiting, d);
            zeromq_pause(sink);
            break;
        }
    publisher_read(sink->publisher);
}

/* ---- events ---------------------------------------------------------------------- */

/* A publisher_changed_fn. */
static void zeromq_changed(void *ctx)
{
    struct zeromq_sink *sink = ctx;

    if (zeromq_is_down(sink))
        zeromq_return_all(sink);
    zeromq_report(sink);
}

static void zeromq_check_due(evutil_socket_t fd, short what, void *ctx)
{
    struct zeromq_sink *sink = ctx;

    (void)fd, (void)what;
    publisher_read(sink->publisher);
    sink->bind_error = publisher_listen(sink->publisher);
    zeromq_changed(sink);
}

/* ---- open and close -------------------------------------------------------------- */

static void zeromq_check_topic(struct fr_sink *sink, const struct fr_host *host, const char *option)
{
    const char *mistake = fr_pattern_mistake(host->text(sink, option));

    if (mistake != NULL)
        host->config_error(sink, option, NULL, "%s: %s", option, mistake);
}

static void zeromq_check(struct fr_sink *sink, const struct fr_host *host)
{
    publisher_check(sink, host);
    zeromq_check_topic(sink, host, "topic");
    zeromq_check_topic(sink, host, "field_topic");
    if (host->number(sink, "slow_after") > 3600000)
        host->config_error(sink, "slow_after", NULL, "slow_after must be at most 1 h");
}

static void zeromq_close_instance(void *state)
{
    struct zeromq_sink *sink = state;

    if (sink->check_timer != NULL)
        event_free(sink->check_timer);
    if (sink->pause_timer != NULL)
        event_free(sink->pause_timer);
    publisher_free(sink->publisher);
    free(sink);
}

static bool zeromq_start(struct zeromq_sink *sink)
{
    struct event_base *base = sink->host->event_base(sink->handle);

    sink->publisher = publisher_new(sink->handle, sink->host, zeromq_changed, sink);
    if (sink->publisher == NULL)
        return false;
    sink->check_timer = event_new(base, -1, EV_PERSIST, zeromq_check_due, sink);
    sink->pause_timer = event_new(base, -1, 0, zeromq_pause_ended, sink);
    return sink->check_timer != NULL && sink->pause_timer != NULL &&
           event_add(sink->check_timer, &(struct timeval){CHECK_MS / 1000, 0}) == 0;
}

static void *zeromq_open_instance(struct fr_sink *handle, const struct fr_host *host)
{
    struct zeromq_sink *sink = calloc(1, sizeof *sink);

    if (sink == NULL)
        return NULL;
    *sink = (struct zeromq_sink){
        .handle = handle,
        .host = host,
        .endpoint = host->text(handle, "bind"),
        .topic = host->text(handle, "topic"),
        .field_topic = host->text(handle, "field_topic"),
        .layout = (enum layout)host->number(handle, "layout"),
        .wait = host->number(handle, "wait_for_subscriber") != 0,
        .patience_ms = host->number(handle, "slow_after"),
    };
    if (!zeromq_start(sink)) {
        zeromq_close_instance(sink);
        return NULL;
    }
    if (!endpoint_is_loopback(sink->endpoint) && host->text(handle, "curve_secret_key") == NULL)
        host->log(
            handle, FR_LOG_WARNING,
            "everyone who reaches %s can read positions and all other values of the vehicles: "
            "set curve_secret_key, or bind a loopback address",
            sink->endpoint);
    sink->bind_error = publisher_listen(sink->publisher);
    zeromq_report(sink);
    return sink;
}

static const struct fr_option options[] = {
    PUBLISHER_OPTIONS,
    {"layout", FR_OPTION_CHOICE, "tesla", false, "tesla|teslalogger",
     "records as Tesla's server publishes them, or only those that TeslaLogger reads"},
    {"topic", FR_OPTION_TEXT, "tesla_%{type}", false, NULL, "topic of a record"},
    {"field_topic", FR_OPTION_TEXT, "tesla_fields", false, NULL,
     "topic of values from field routes"},
    {"wait_for_subscriber", FR_OPTION_BOOLEAN, "false", false, NULL,
     "records wait while there is no subscriber, and for a subscriber whose queue is full"},
    {"slow_after", FR_OPTION_DURATION, "60 s", false, NULL,
     "wait_for_subscriber: a subscriber whose queue is full for so long loses messages"},
    {0},
};

extern const struct fr_plugin fleetroute_plugin;

const struct fr_plugin fleetroute_plugin = {
    FR_PLUGIN_HEADER,
    .name = "zmq",
    .version = PACKAGE_VERSION,
    .summary = "ZeroMQ subscribers, such as TeslaLogger, with the messages of Tesla's server",
    .options = options,
    .format = FR_FORMAT_TESLA_JSON,
    .in_flight = 10000,
    .gather_ms = GATHER_MS,
    .check = zeromq_check,
    .open = zeromq_open_instance,
    .deliver = zeromq_deliver,
    .close = zeromq_close_instance,
};
