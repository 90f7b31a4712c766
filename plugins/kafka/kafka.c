/*
 * The sink plugin kafka.so: writes records and values to Apache Kafka (kafka_message.h describes
 * the messages).
 *
 * A delivery is answered FR_DONE when all in-sync replicas have the message. The producer is
 * idempotent and retries without a time limit, so that an unreachable broker delays records and
 * loses none.
 *
 * Everything here runs on the sink's thread. librdkafka's own threads report events through a queue
 * and an eventfd.
 */
#include <errno.h>
#include <event2/event.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "fleetroute/plugin.h"
#include "clock_ms.h"
#include "kafka_admin.h"
#include "kafka_errors.h"
#include "kafka_message.h"
#include "kafka_producer_conf.h"
#include "kafka_topics.h"
#include "path_pattern.h"

#define EVENTS_PER_PASS 64
#define RESTART_MS 5000        /* wait for delivery reports before the producer is replaced */
#define START_RETRY_MS 5000    /* delay after a producer could not be created */
#define PROBE_INTERVAL_MS 2000 /* between two probes for reachable brokers */
#define PROBE_TIMEOUT_MS 1500
#define GATHER_MS 40 /* between two batches under load; see kafka_wait_for_events() */

struct kafka_sink {
    struct fr_sink *handle; /* for calls of `host` */
    const struct fr_host *host;
    rd_kafka_t *producer;
    rd_kafka_queue_t *events;
    int wake; /* eventfd: librdkafka has queued an event */
    struct event *wake_event, *rearm_timer;
    int64_t polled_ms; /* monotonic: when events were last taken from the queue */
    bool disarmed;     /* wake_event is not added: rearm_timer is */
    struct fr_topics *topics;
    const char *pattern, *field_topic;
    unsigned header_flags; /* FR_KAFKA_HEADER_* */
    bool up;               /* reported as FR_HEALTH_UP */
    bool down;             /* reported as FR_HEALTH_DOWN */
    bool probing;          /* a probe request is unanswered */
    struct event *timer;   /* see kafka_timer_due() */
    int64_t restart_ms;    /* monotonic: end of the wait for delivery reports */
    bool restarting;       /* the producer is to be replaced, or could not be created */
    size_t unreported;     /* messages without a delivery report */
};

/* ---- deliveries ------------------------------------------------------------------ */

static void kafka_set_timer(struct kafka_sink *sink, int ms)
{
    event_add(sink->timer, &(struct timeval){ms / 1000, ms % 1000 * 1000});
}

/* Replace the producer when all messages in flight have been reported, or after RESTART_MS. */
static void kafka_restart(struct kafka_sink *sink)
{
    if (sink->restarting)
        return;
    sink->restarting = true;
    sink->restart_ms = fr_clock_monotonic_ms() + RESTART_MS;
    fr_topics_stop(sink->topics);
    rd_kafka_purge(sink->producer, RD_KAFKA_PURGE_F_QUEUE);
    kafka_set_timer(sink, RESTART_MS);
}

/* Answer a delivery that failed for good, as far as the topic is concerned. An
 * fr_topics_failed_fn. */
static void kafka_delivery_failed(void *ctx, const char *topic, struct fr_delivery *d,
                                  rd_kafka_resp_err_t err)
{
    struct kafka_sink *sink = ctx;
    enum fr_outcome outcome = fr_kafka_outcome(err);

    if (outcome == FR_RETRY) {
        sink->host->log(sink->handle, FR_LOG_DEBUG, "Kafka did not accept a record: %s",
                        rd_kafka_err2str(err));
        sink->host->done(sink->handle, d, FR_RETRY);
    } else
        sink->host->fail(sink->handle, d, outcome, "topic %s: %s%s", topic, rd_kafka_err2str(err),
                         fr_kafka_remedy(err));
}

/* Pass a delivery to librdkafka. An fr_topics_produce_fn. */
static rd_kafka_resp_err_t kafka_produce(void *ctx, rd_kafka_topic_t *topic, struct fr_delivery *d)
{
    struct kafka_sink *sink = ctx;
    const void *value = d->bytes;
    size_t len = d->len;
    rd_kafka_resp_err_t err;

    if (d->kind == FR_DELIVERY_FIELD)
        value = sink->host->json(sink->handle, d, &len);
    err = fr_kafka_message_produce(sink->producer, topic, d, value, len, sink->header_flags);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        sink->unreported++;
    return err;
}

static void kafka_poll_events(struct kafka_sink *sink);

static void kafka_deliver(void *state, struct fr_delivery *const *batch, size_t count)
{
    struct kafka_sink *sink = state;
    char name[256];

    if (sink->disarmed) {
        kafka_poll_events(sink);
        /* The producer is replaced later: this batch follows those that a fatal error has returned. */
        if (sink->restarting)
            event_active(sink->rearm_timer, EV_TIMEOUT, 1);
    }
    for (size_t k = 0; k < count; k++) {
        struct fr_delivery *d = batch[k];
        bool fits = true;

        if (sink->restarting) {
            sink->host->done(sink->handle, d, FR_RETRY);
            continue;
        }
        if (d->kind == FR_DELIVERY_FIELD)
            snprintf(name, sizeof name, "%s", sink->field_topic);
        else
            fits = fr_pattern_expand(sink->pattern, d, d->received_ms, name, sizeof name);
        if (!fits || !fr_kafka_topic_name_is_valid(name))
            sink->host->fail(sink->handle, d, FR_REFUSED,
                             "\"%s\" is not a valid Kafka topic name%s", name,
                             fits ? "" : " (it is too long)");
        else
            fr_topics_deliver(sink->topics, name, d);
    }
}

/* ---- librdkafka's events --------------------------------------------------------- */

static int kafka_start_producer(struct kafka_sink *sink);

static void kafka_report_up(struct kafka_sink *sink)
{
    if (sink->up)
        return;
    sink->up = true;
    sink->down = false;
    sink->host->health(sink->handle, FR_HEALTH_UP, "connected");
}

static void kafka_delivery_reports(struct kafka_sink *sink, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *message;

    while ((message = rd_kafka_event_message_next(event)) != NULL) {
        struct fr_delivery *d = message->_private;

        sink->unreported--;
        if (fr_kafka_broker_answered(message->err))
            kafka_report_up(sink);
        /* The message was sent, but the broker's acknowledgement is missing. */
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR &&
            rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED)
            d->flags |= FR_FLAG_REPEATED;
        if (fr_topics_reported(sink->topics, message))
            sink->host->done(sink->handle, d, FR_DONE);
    }
}

/* Replace the idempotent producer after an error from which it cannot recover (for example, the
 * broker lost the producer's state). Unconfirmed records are delivered again. */
static void kafka_fatal(struct kafka_sink *sink)
{
    char why[256];

    rd_kafka_fatal_error(sink->producer, why, sizeof why);
    sink->host->log(sink->handle, FR_LOG_WARNING, "librdkafka's producer is replaced: %s", why);
    kafka_restart(sink);
    rd_kafka_purge(sink->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

/* Send a request to find out whether a broker is reachable. librdkafka does not report reconnected
 * brokers while nothing is produced. */
static void kafka_probe_brokers(struct kafka_sink *sink)
{
    if (!sink->probing && sink->producer != NULL)
        sink->probing = fr_kafka_admin_describe_topics(sink->producer, sink->events,
                                                       &sink->field_topic, 1, PROBE_TIMEOUT_MS);
}

static void kafka_probe_answered(struct kafka_sink *sink, rd_kafka_event_t *event)
{
    sink->probing = false;
    if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR)
        kafka_report_up(sink);
    fr_topics_described(sink->topics, event);
}

static void kafka_error_event(struct kafka_sink *sink, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);

    if (err == RD_KAFKA_RESP_ERR__FATAL)
        kafka_fatal(sink);
    else if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
             err == RD_KAFKA_RESP_ERR__AUTHENTICATION || err == RD_KAFKA_RESP_ERR__SSL) {
        sink->up = false;
        sink->down = true;
        sink->host->health(sink->handle, FR_HEALTH_DOWN,
                           "%s (check `brokers:` and whether Kafka runs)",
                           rd_kafka_event_error_string(event));
        if (!event_pending(sink->timer, EV_TIMEOUT, NULL))
            kafka_set_timer(sink, PROBE_INTERVAL_MS);
    }
}

static void kafka_log_event(struct kafka_sink *sink, rd_kafka_event_t *event)
{
    const char *facility, *text;
    int level;

    /* syslog levels: 3 is error. librdkafka's other lines are only of use for debugging. */
    if (rd_kafka_event_log(event, &facility, &text, &level) == 0)
        sink->host->log(sink->handle, level <= 3 ? FR_LOG_INFO : FR_LOG_DEBUG, "librdkafka %s: %s",
                        facility, text);
}

static void kafka_stop_producer(struct kafka_sink *sink)
{
    if (sink->topics != NULL)
        fr_topics_free(sink->topics);
    if (sink->events != NULL) {
        rd_kafka_queue_io_event_enable(sink->events, -1, NULL, 0);
        rd_kafka_queue_destroy(sink->events);
    }
    if (sink->producer != NULL)
        rd_kafka_destroy_flags(sink->producer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    sink->topics = NULL;
    sink->events = NULL;
    sink->producer = NULL;
}

static void kafka_replace_producer(struct kafka_sink *sink)
{
    kafka_stop_producer(sink);
    sink->probing = false;
    if (kafka_start_producer(sink) == 0) {
        sink->restarting = false;
        return;
    }
    kafka_stop_producer(sink);
    sink->restarting = true; /* deliveries are answered FR_RETRY */
    sink->up = false;
    sink->host->health(sink->handle, FR_HEALTH_DOWN,
                       "cannot create librdkafka's producer: see the log; trying again every %d s",
                       START_RETRY_MS / 1000);
    kafka_set_timer(sink, START_RETRY_MS);
}

/* Under load the events are not taken when librdkafka reports them, but before the next batch: the
 * brokers answer each partition by itself, and each answer would wake the thread. The timer is for
 * the time after the last batch. */
static void kafka_wait_for_events(struct kafka_sink *sink, int taken)
{
    int64_t gather_ms = sink->host->gather_ms(sink->handle), now = fr_clock_monotonic_ms();
    /* A topic with a limited window continues with the reports of the last one. */
    bool loaded = taken != 0 && now - sink->polled_ms < gather_ms * 5 / 4 &&
                  (sink->topics == NULL || !fr_topics_limited(sink->topics));
    struct timeval pause = {gather_ms * 5 / 4 / 1000, gather_ms * 5 / 4 % 1000 * 1000};

    sink->polled_ms = now;
    if (loaded != sink->disarmed) {
        if (loaded)
            event_del(sink->wake_event);
        else
            event_add(sink->wake_event, NULL);
        sink->disarmed = loaded;
    }
    if (loaded)
        event_add(sink->rearm_timer, &pause);
}

static void kafka_handle_event(struct kafka_sink *sink, rd_kafka_event_t *event)
{
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_DR:
        kafka_delivery_reports(sink, event);
        break;
    case RD_KAFKA_EVENT_ERROR:
        kafka_error_event(sink, event);
        break;
    case RD_KAFKA_EVENT_LOG:
        kafka_log_event(sink, event);
        break;
    case RD_KAFKA_EVENT_CREATETOPICS_RESULT:
        fr_topics_created(sink->topics, event);
        break;
    case RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT:
        kafka_probe_answered(sink, event);
        break;
    default:
        break;
    }
    rd_kafka_event_destroy(event);
}

static void kafka_poll_events(struct kafka_sink *sink)
{
    rd_kafka_event_t *event;
    uint64_t count;
    int n;

    if (read(sink->wake, &count, sizeof count) < 0 && errno != EAGAIN)
        sink->host->log(sink->handle, FR_LOG_ERROR, "eventfd: %s", strerror(errno));
    for (n = 0; n < EVENTS_PER_PASS && sink->events != NULL &&
                (event = rd_kafka_queue_poll(sink->events, 0)) != NULL;
         n++)
        kafka_handle_event(sink, event);
    kafka_wait_for_events(sink, n);
    if (n == EVENTS_PER_PASS)
        event_active(sink->rearm_timer, EV_TIMEOUT, 1);
}

static void kafka_wakeup(evutil_socket_t fd, short what, void *ctx)
{
    struct kafka_sink *sink = ctx;

    (void)fd, (void)what;
    kafka_poll_events(sink);
    if (sink->restarting && sink->unreported == 0)
        kafka_replace_producer(sink);
}

/* Creates a producer again, ends the wait for delivery reports and probes the
 * brokers; each action checks whether it is due. */
static void kafka_timer_due(evutil_socket_t fd, short what, void *ctx)
{
    struct kafka_sink *sink = ctx;

    (void)fd, (void)what;
    if (sink->producer == NULL) {
        kafka_replace_producer(sink);
        return;
    }
    if (sink->restarting && fr_clock_monotonic_ms() >= sink->restart_ms)
        rd_kafka_purge(sink->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    if (sink->down)
        kafka_probe_brokers(sink);
    if (sink->down || sink->restarting)
        kafka_set_timer(sink, PROBE_INTERVAL_MS);
}

/* ---- open and close -------------------------------------------------------------- */

static int kafka_start_producer(struct kafka_sink *sink)
{
    static const uint64_t one = 1;
    rd_kafka_conf_t *conf;
    char why[256];
    int mistakes;

    conf = fr_kafka_producer_conf(sink->handle, sink->host, &mistakes);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG);
    sink->producer = mistakes == 0 ? rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why) : NULL;
    if (sink->producer == NULL) {
        if (mistakes == 0)
            sink->host->log(sink->handle, FR_LOG_ERROR, "librdkafka: %s", why);
        rd_kafka_conf_destroy(conf);
        return -1;
    }
    sink->events = rd_kafka_queue_get_main(sink->producer);
    rd_kafka_set_log_queue(sink->producer, sink->events);
    rd_kafka_queue_io_event_enable(sink->events, sink->wake, &one, sizeof one);
    /* librdkafka reports only an event that finds the queue empty, and one may be in it already. */
    event_active(sink->rearm_timer, EV_TIMEOUT, 1);
    sink->topics = fr_topics_new(sink->handle, sink->host, sink->producer, sink->events,
                                 kafka_produce, kafka_delivery_failed, sink);
    return sink->topics != NULL ? 0 : -1;
}

static void kafka_close_instance(void *state)
{
    struct kafka_sink *sink = state;

    if (sink->producer != NULL)
        rd_kafka_purge(sink->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    kafka_stop_producer(sink);
    if (sink->wake_event != NULL)
        event_free(sink->wake_event);
    if (sink->timer != NULL)
        event_free(sink->timer);
    if (sink->rearm_timer != NULL)
        event_free(sink->rearm_timer);
    if (sink->wake >= 0)
        close(sink->wake);
    free(sink);
}

static void *kafka_open_instance(struct fr_sink *handle, const struct fr_host *host)
{
    struct kafka_sink *sink = calloc(1, sizeof *sink);

    if (sink == NULL)
        return NULL;
    sink->handle = handle;
    sink->host = host;
    sink->pattern = host->text(handle, "topic");
    sink->field_topic = host->text(handle, "field_topic");
    sink->header_flags =
        (host->number(handle, "timestamp_header") == 1 ? FR_KAFKA_HEADER_CREATED : 0) |
        (host->number(handle, "repeated_header") != 0 ? FR_KAFKA_HEADER_REPEATED : 0);
    sink->timer = event_new(host->event_base(handle), -1, 0, kafka_timer_due, sink);
    sink->rearm_timer = event_new(host->event_base(handle), -1, 0, kafka_wakeup, sink);
    sink->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    sink->wake_event =
        event_new(host->event_base(handle), sink->wake, EV_READ | EV_PERSIST, kafka_wakeup, sink);
    if (sink->wake < 0 || sink->timer == NULL || sink->rearm_timer == NULL ||
        sink->wake_event == NULL || event_add(sink->wake_event, NULL) != 0 ||
        kafka_start_producer(sink) != 0) {
        kafka_close_instance(sink);
        return NULL;
    }
    return sink;
}

static const struct fr_option options[] = {
    {"brokers", FR_OPTION_TEXT, NULL, true, NULL, "comma-separated host:port of some brokers"},
    {"topic", FR_OPTION_TEXT, "tesla_%{type}", false, NULL, "topic of a record"},
    {"field_topic", FR_OPTION_TEXT, "tesla_fields", false, NULL,
     "topic of values from field routes"},
    {"create_topics", FR_OPTION_BOOLEAN, "true", false, NULL, "create missing topics"},
    {"partitions", FR_OPTION_INTEGER, "0", false, NULL,
     "of created topics; 0: the broker's default"},
    {"replication", FR_OPTION_INTEGER, "0", false, NULL,
     "of created topics; 0: the broker's default"},
    {"retention", FR_OPTION_DURATION, "7 d", false, NULL, "of created topics"},
    {"timestamp_header", FR_OPTION_CHOICE, "zero", false, "zero|created",
     "zero, as Tesla's server sends it, or the vehicle's created_at in ms"},
    {"repeated_header", FR_OPTION_BOOLEAN, "false", false, NULL,
     "add a header to records that may have been delivered before"},
    {"properties", FR_OPTION_MAP, NULL, false, NULL, "librdkafka properties"},
    {0},
};

extern const struct fr_plugin fleetroute_plugin;

const struct fr_plugin fleetroute_plugin = {
    FR_PLUGIN_HEADER,
    .name = "kafka",
    .version = PACKAGE_VERSION,
    .summary = "Apache Kafka, with Tesla's topics, keys, headers and values",
    .options = options,
    .format = FR_FORMAT_PROTOBUF,
    .in_flight = 100000,
    .gather_ms = GATHER_MS,
    .check = fr_kafka_producer_check,
    .open = kafka_open_instance,
    .deliver = kafka_deliver,
    .close = kafka_close_instance,
};
