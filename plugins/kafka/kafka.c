/*
 * kafka.so - records to Apache Kafka, as Tesla's server writes them: topic tesla_<type>, key
 * VIN, value the record's bytes, headers vin, receivedat, timestamp, txid, txtype, version,
 * device_client_version.
 *
 * A delivery is done when all in-sync replicas have it. The producer is idempotent and tries
 * for ever, so that a broker that is away costs time and no record.
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
#include "kafka_errors.h"
#include "kafka_topics.h"
#include "path_pattern.h"

#define EVENTS_A_PASS 64
#define RESTART_MS 5000     /* for messages in flight, before a producer is replaced */
#define START_AGAIN_MS 5000 /* after a producer could not be made */
#define ASK_MS 2000         /* between questions whether the brokers are back */
#define ASK_TIMEOUT_MS 1500

struct instance {
    struct fr_sink *sink;
    const struct fr_host *host;
    rd_kafka_t *producer;
    rd_kafka_queue_t *events;
    int wake;
    struct event *wake_event;
    struct fr_topics *topics;
    const char *pattern, *field_topic;
    bool created_in_header, repeated_header;
    bool up;
    bool down;           /* reported as FR_HEALTH_DOWN */
    bool asking;         /* whether the brokers are back */
    struct event *timer; /* asks, ends the wait for what is in flight, makes a producer again */
    int64_t restart_ms;  /* monotonic: when the wait for what is in flight ends */
    bool restarting;     /* waiting for the last delivery reports, to replace the producer */
    size_t unreported;
};

/* ---- configuration --------------------------------------------------------------- */

struct setter {
    rd_kafka_conf_t *conf;
    struct fr_sink *sink;
    const struct fr_host *host;
    int mistakes;
};

static int set_property(const char *key, const char *text, void *context)
{
    struct setter *s = context;
    char why[256];

    if (rd_kafka_conf_set(s->conf, key, text, why, sizeof why) != RD_KAFKA_CONF_OK) {
        s->host->wrong(s->sink, "properties", key, "librdkafka: %s", why);
        s->mistakes++;
    }
    return 0;
}

static rd_kafka_conf_t *make_conf(struct fr_sink *sink, const struct fr_host *host, int *mistakes)
{
    static const char *const ours[][2] = {
        {"client.id", "fleetroute"},
        {"enable.idempotence", "true"},
        {"acks", "all"},
        {"message.timeout.ms", "0"}, /* without end: a broker that is away costs no record */
        {"topic.metadata.propagation.max.ms", "3000"}, /* then a missing topic is reported */
        {"queue.buffering.max.messages", "1000000"},   /* fleetroute's own queue is the bound */
        {"linger.ms", "5"},
        {"log.queue", "true"},
        /* With sparse connections a request that waits for a broker makes librdkafka 2.0 connect
         * thousands of times a second. */
        {"enable.sparse.connections", "false"},
    };
    struct setter s = {rd_kafka_conf_new(), sink, host, 0};
    const char *brokers = host->text(sink, "brokers");
    char why[256];

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        rd_kafka_conf_set(s.conf, ours[i][0], ours[i][1], why, sizeof why);
    if (brokers != NULL && rd_kafka_conf_set(s.conf, "bootstrap.servers", brokers, why,
                                             sizeof why) != RD_KAFKA_CONF_OK)
        host->wrong(sink, "brokers", NULL, "librdkafka: %s", why);
    host->each(sink, "properties", set_property, &s);
    *mistakes = s.mistakes;
    return s.conf;
}

static void check(struct fr_sink *sink, const struct fr_host *host)
{
    const char *topic = host->text(sink, "topic");
    const char *mistake = topic != NULL ? fr_pattern_mistake(topic) : NULL;
    char text[256];
    int mistakes;
    rd_kafka_conf_t *conf = make_conf(sink, host, &mistakes);
    rd_kafka_t *trial;

    if (mistake != NULL)
        host->wrong(sink, "topic", NULL, "topic: %s", mistake);
    if (mistakes != 0) {
        rd_kafka_conf_destroy(conf);
        return;
    }
    /* Properties that contradict each other show only when a producer is made; it is made for
     * nobody's broker, since a check connects to no one. */
    rd_kafka_conf_set(conf, "bootstrap.servers", "127.0.0.1:1", text, sizeof text);
    trial = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (trial == NULL) {
        host->wrong(sink, "properties", NULL, "librdkafka: %s", text);
        rd_kafka_conf_destroy(conf);
    } else
        rd_kafka_destroy(trial);
}

/* ---- producing ------------------------------------------------------------------- */

static void add_header(rd_kafka_headers_t *headers, const char *name, const char *value, size_t len)
{
    rd_kafka_header_add(headers, name, -1, value, (ssize_t)len);
}

static rd_kafka_headers_t *make_headers(const struct instance *i, const struct fr_delivery *d)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(8);
    char received[24], created[24] = "0";
    int n = snprintf(received, sizeof received, "%lld", (long long)d->received_ms);

    if (headers == NULL)
        return NULL;
    if (i->created_in_header)
        snprintf(created, sizeof created, "%lld", (long long)d->created_ms);
    add_header(headers, "vin", d->vin, strlen(d->vin));
    add_header(headers, "receivedat", received, (size_t)n);
    add_header(headers, "timestamp", created, strlen(created));
    add_header(headers, "txid", d->txid, d->txid_len);
    add_header(headers, "txtype", d->record_type, strlen(d->record_type));
    add_header(headers, "version", "0", 1);
    add_header(headers, "device_client_version", d->client_version, strlen(d->client_version));
    if (i->repeated_header && (d->marks & FR_MARK_REPEATED))
        add_header(headers, "repeated", "1", 1);
    return headers;
}

static void set_timer(struct instance *i, int ms)
{
    event_add(i->timer, &(struct timeval){ms / 1000, ms % 1000 * 1000});
}

/* Replace the producer, after what is in flight was answered. */
static void restart(struct instance *i)
{
    if (i->restarting)
        return;
    i->restarting = true;
    i->restart_ms = fr_clock_monotonic_ms() + RESTART_MS;
    fr_topics_stop(i->topics);
    rd_kafka_purge(i->producer, RD_KAFKA_PURGE_F_QUEUE);
    set_timer(i, RESTART_MS);
}

/* A delivery failed, and its topic cannot help. */
static void produced_not(void *ctx, const char *topic, struct fr_delivery *d,
                         rd_kafka_resp_err_t err)
{
    struct instance *i = ctx;
    enum fr_outcome outcome = fr_kafka_outcome(err);

    if (outcome == FR_RETRY) {
        i->host->log(i->sink, FR_LOG_DEBUG, "Kafka did not take a record: %s",
                     rd_kafka_err2str(err));
        i->host->done(i->sink, d, FR_RETRY);
    } else
        i->host->fail(i->sink, d, outcome, "topic %s: %s%s", topic, rd_kafka_err2str(err),
                      fr_kafka_remedy(err));
}

/* Hand a delivery to librdkafka; its topic is there. */
static rd_kafka_resp_err_t produce(void *ctx, rd_kafka_topic_t *topic, struct fr_delivery *d)
{
    struct instance *i = ctx;
    rd_kafka_headers_t *headers = make_headers(i, d);
    const void *value = d->bytes;
    size_t len = d->len;
    int flags = 0;
    rd_kafka_vu_t parts[6];
    rd_kafka_resp_err_t code;
    rd_kafka_error_t *error;

    if (d->kind == FR_DELIVERY_FIELD) {
        value = i->host->json(i->sink, d, &len);
        flags = RD_KAFKA_MSG_F_COPY; /* the text holds only until the next one is made */
    }
    parts[0] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic};
    parts[1] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = flags};
    parts[2] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_KEY,
                               .u.mem = {(void *)(uintptr_t)d->vin, strlen(d->vin)}};
    parts[3] =
        (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)value, len}};
    parts[4] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers};
    parts[5] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = d};
    error = rd_kafka_produceva(i->producer, parts, sizeof parts / sizeof *parts);
    if (error == NULL) {
        i->unreported++;
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    if (headers != NULL)
        rd_kafka_headers_destroy(headers);
    code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    return code;
}

static void deliver(void *state, struct fr_delivery *const *batch, size_t count)
{
    struct instance *i = state;
    char name[256];

    for (size_t k = 0; k < count; k++) {
        struct fr_delivery *d = batch[k];
        bool fits = true;

        if (i->restarting) {
            i->host->done(i->sink, d, FR_RETRY);
            continue;
        }
        if (d->kind == FR_DELIVERY_FIELD)
            snprintf(name, sizeof name, "%s", i->field_topic);
        else
            fits = fr_pattern_expand(i->pattern, d, d->received_ms, name, sizeof name);
        if (!fits || !fr_kafka_topic_name_is_valid(name))
            i->host->fail(i->sink, d, FR_REFUSED, "\"%s\" is no topic name of Kafka's%s", name,
                          fits ? "" : " (it is too long)");
        else
            fr_topics_deliver(i->topics, name, d);
    }
}

/* ---- librdkafka's events --------------------------------------------------------- */

static int start_producer(struct instance *i);

static void brokers_are_up(struct instance *i)
{
    if (i->up)
        return;
    i->up = true;
    i->down = false;
    i->host->health(i->sink, FR_HEALTH_UP, "connected");
}

static void reports(struct instance *i, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *message;

    while ((message = rd_kafka_event_message_next(event)) != NULL) {
        struct fr_delivery *d = message->_private;

        i->unreported--;
        if (fr_kafka_broker_answered(message->err))
            brokers_are_up(i);
        /* It was sent, and nobody knows whether the broker has it. */
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR &&
            rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED)
            d->marks |= FR_MARK_REPEATED;
        if (fr_topics_reported(i->topics, message))
            i->host->done(i->sink, d, FR_DONE);
    }
}

/* The idempotent producer has an error that it cannot recover from (its state at the broker is
 * gone, for example). A new one takes its place. What was not confirmed is delivered again. */
static void fatal(struct instance *i)
{
    char why[256];

    rd_kafka_fatal_error(i->producer, why, sizeof why);
    i->host->log(i->sink, FR_LOG_WARNING, "librdkafka's producer is replaced: %s", why);
    restart(i);
    rd_kafka_purge(i->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

/* While the brokers are away and nothing is produced, librdkafka does not report their return. */
static void ask_brokers(struct instance *i)
{
    rd_kafka_ConfigResource_t *resource;
    rd_kafka_AdminOptions_t *admin;
    char why[128];

    if (i->asking || i->producer == NULL)
        return;
    admin = rd_kafka_AdminOptions_new(i->producer, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, i->field_topic);
    if (admin != NULL && resource != NULL) {
        rd_kafka_AdminOptions_set_request_timeout(admin, ASK_TIMEOUT_MS, why, sizeof why);
        rd_kafka_DescribeConfigs(i->producer, &resource, 1, admin, i->events);
        i->asking = true;
    }
    if (resource != NULL)
        rd_kafka_ConfigResource_destroy(resource);
    if (admin != NULL)
        rd_kafka_AdminOptions_destroy(admin);
}

static void asked(struct instance *i, rd_kafka_event_t *event)
{
    i->asking = false;
    if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR)
        brokers_are_up(i);
    fr_topics_described(i->topics, event);
}

static void error_event(struct instance *i, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);

    if (err == RD_KAFKA_RESP_ERR__FATAL)
        fatal(i);
    else if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
             err == RD_KAFKA_RESP_ERR__AUTHENTICATION || err == RD_KAFKA_RESP_ERR__SSL) {
        i->up = false;
        i->down = true;
        i->host->health(i->sink, FR_HEALTH_DOWN, "%s (check `brokers:` and whether Kafka runs)",
                        rd_kafka_event_error_string(event));
        if (!event_pending(i->timer, EV_TIMEOUT, NULL))
            set_timer(i, ASK_MS);
    }
}

static void log_event(struct instance *i, rd_kafka_event_t *event)
{
    const char *facility, *text;
    int level;

    /* Below warning librdkafka's lines are for who debugs it. */
    if (rd_kafka_event_log(event, &facility, &text, &level) == 0)
        i->host->log(i->sink, level <= 3 ? FR_LOG_INFO : FR_LOG_DEBUG, "librdkafka %s: %s",
                     facility, text);
}

static void stop_producer(struct instance *i)
{
    if (i->topics != NULL)
        fr_topics_free(i->topics);
    if (i->events != NULL) {
        rd_kafka_queue_io_event_enable(i->events, -1, NULL, 0);
        rd_kafka_queue_destroy(i->events);
    }
    if (i->producer != NULL)
        rd_kafka_destroy_flags(i->producer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    i->topics = NULL;
    i->events = NULL;
    i->producer = NULL;
}

static void replace_producer(struct instance *i)
{
    stop_producer(i);
    i->asking = false;
    if (start_producer(i) == 0) {
        i->restarting = false;
        return;
    }
    stop_producer(i);
    i->restarting = true; /* deliveries are answered FR_RETRY */
    i->up = false;
    i->host->health(
        i->sink, FR_HEALTH_DOWN,
        "librdkafka's producer cannot be made again; the log says why; tried every %d s",
        START_AGAIN_MS / 1000);
    set_timer(i, START_AGAIN_MS);
}

static void woken(evutil_socket_t fd, short what, void *ctx)
{
    struct instance *i = ctx;
    rd_kafka_event_t *event;
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        i->host->log(i->sink, FR_LOG_ERROR, "eventfd: %s", strerror(errno));
    for (int n = 0; n < EVENTS_A_PASS && i->events != NULL &&
                    (event = rd_kafka_queue_poll(i->events, 0)) != NULL;
         n++) {
        switch (rd_kafka_event_type(event)) {
        case RD_KAFKA_EVENT_DR:
            reports(i, event);
            break;
        case RD_KAFKA_EVENT_ERROR:
            error_event(i, event);
            break;
        case RD_KAFKA_EVENT_LOG:
            log_event(i, event);
            break;
        case RD_KAFKA_EVENT_CREATETOPICS_RESULT:
            fr_topics_created(i->topics, event);
            break;
        case RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT:
            asked(i, event);
            break;
        default:
            break;
        }
        rd_kafka_event_destroy(event);
        if (n == EVENTS_A_PASS - 1)
            event_active(i->wake_event, EV_READ, 0);
    }
    if (i->restarting && i->unreported == 0)
        replace_producer(i);
}

/* One timer for all that takes time; each use looks again whether its time has come. */
static void timer_due(evutil_socket_t fd, short what, void *ctx)
{
    struct instance *i = ctx;

    (void)fd, (void)what;
    if (i->producer == NULL) {
        replace_producer(i);
        return;
    }
    if (i->restarting && fr_clock_monotonic_ms() >= i->restart_ms)
        rd_kafka_purge(i->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    if (i->down)
        ask_brokers(i);
    if (i->down || i->restarting)
        set_timer(i, ASK_MS);
}

/* ---- life ------------------------------------------------------------------------ */

static int start_producer(struct instance *i)
{
    static const uint64_t one = 1;
    rd_kafka_conf_t *conf;
    char why[256];
    int mistakes;

    conf = make_conf(i->sink, i->host, &mistakes);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG);
    i->producer = mistakes == 0 ? rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why) : NULL;
    if (i->producer == NULL) {
        if (mistakes == 0)
            i->host->log(i->sink, FR_LOG_ERROR, "librdkafka: %s", why);
        rd_kafka_conf_destroy(conf);
        return -1;
    }
    i->events = rd_kafka_queue_get_main(i->producer);
    rd_kafka_set_log_queue(i->producer, i->events);
    rd_kafka_queue_io_event_enable(i->events, i->wake, &one, sizeof one);
    i->topics = fr_topics_new(i->sink, i->host, i->producer, i->events, produce, produced_not, i);
    return i->topics != NULL ? 0 : -1;
}

static void close_instance(void *state)
{
    struct instance *i = state;

    if (i->producer != NULL)
        rd_kafka_purge(i->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    stop_producer(i);
    if (i->wake_event != NULL)
        event_free(i->wake_event);
    if (i->timer != NULL)
        event_free(i->timer);
    if (i->wake >= 0)
        close(i->wake);
    free(i);
}

static void *open_instance(struct fr_sink *sink, const struct fr_host *host)
{
    struct instance *i = calloc(1, sizeof *i);

    if (i == NULL)
        return NULL;
    i->sink = sink;
    i->host = host;
    i->pattern = host->text(sink, "topic");
    i->field_topic = host->text(sink, "field_topic");
    i->created_in_header = host->number(sink, "timestamp_header") == 1;
    i->repeated_header = host->number(sink, "repeated_header") != 0;
    i->timer = event_new(host->event_base(sink), -1, 0, timer_due, i);
    i->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    i->wake_event = event_new(host->event_base(sink), i->wake, EV_READ | EV_PERSIST, woken, i);
    if (i->wake < 0 || i->timer == NULL || i->wake_event == NULL ||
        event_add(i->wake_event, NULL) != 0 || start_producer(i) != 0) {
        close_instance(i);
        return NULL;
    }
    return i;
}

static const struct fr_option options[] = {
    {"brokers", FR_OPTION_TEXT, NULL, true, NULL, "host:port of some brokers, with commas between"},
    {"topic", FR_OPTION_TEXT, "tesla_%{type}", false, NULL, "topic of a record"},
    {"field_topic", FR_OPTION_TEXT, "tesla_fields", false, NULL, "topic of field routes' values"},
    {"create_topics", FR_OPTION_BOOLEAN, "true", false, NULL, "create a topic that is missing"},
    {"partitions", FR_OPTION_INTEGER, "0", false, NULL,
     "of a created topic; 0: the broker's default"},
    {"replication", FR_OPTION_INTEGER, "0", false, NULL,
     "of a created topic; 0: the broker's default"},
    {"retention", FR_OPTION_DURATION, "7 d", false, NULL, "of a created topic"},
    {"timestamp_header", FR_OPTION_CHOICE, "zero", false, "zero|created",
     "zero as Tesla's server sends it, or the vehicle's created_at in ms"},
    {"repeated_header", FR_OPTION_BOOLEAN, "false", false, NULL,
     "add a header to records that may have been delivered before"},
    {"properties", FR_OPTION_MAP, NULL, false, NULL, "any of librdkafka's properties"},
    {0},
};

extern const struct fr_plugin fleetroute_plugin;

const struct fr_plugin fleetroute_plugin = {
    .abi = FLEETROUTE_PLUGIN_ABI,
    .name = "kafka",
    .version = PACKAGE_VERSION,
    .summary = "Apache Kafka, with Tesla's topics, keys, headers and values",
    .options = options,
    .format = FR_FORMAT_PROTOBUF,
    .in_flight = 100000,
    .check = check,
    .open = open_instance,
    .deliver = deliver,
    .close = close_instance,
};
