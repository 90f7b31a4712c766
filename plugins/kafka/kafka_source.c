/*
 * The source in kafka.so: a consumer of the topics that kafka.so or Tesla's server writes. An
 * offset is committed only after the journal has the record, so a crash costs a repetition,
 * which the journal recognises, and never a record.
 */
#include <errno.h>
#include <event2/event.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fleetroute/plugin.h"

#define MESSAGES_A_PASS 1000
#define PENDING_AT_FIRST 1024
#define HOUSEKEEPING_MS 500 /* a consumer must be polled even when nothing comes */
#define CLOSE_MS 1500       /* how long leaving the group may take */
#define CLOSE_STEP_MS 20
#define BEATS_A_LOOK 4 /* of these between two looks whether a broker is back */
#define LOOK_MS 200    /* how long such a look may take */
#define MISSES_MOST 3  /* so many looks in vain: Kafka is away */

/* A message on its way into the journal, in the order of submission. One that was left out has
 * its turn too: its offset may pass only when those before it are stored. */
struct pending {
    rd_kafka_message_t *message;
    bool left_out;
};

struct instance {
    struct fr_source *source;
    const struct fr_source_host *host;
    rd_kafka_t *consumer;
    rd_kafka_queue_t *queue;
    int wake;
    struct event *wake_event, *timer;
    const char *prefix; /* what stands before the record type in a topic's name */
    size_t prefix_len;
    rd_kafka_message_t *held; /* there was no room for it */
    struct pending *pending;  /* a ring */
    size_t room, first, count;
    bool up;
    bool doubt; /* a connection broke; librdkafka does not always say when it was the last */
    unsigned misses, beats;
};

/* ---- configuration --------------------------------------------------------------- */

struct setter {
    rd_kafka_conf_t *conf;
    struct fr_source *source;
    const struct fr_source_host *host;
    int mistakes;
};

static int set_property(const char *key, const char *text, void *context)
{
    struct setter *s = context;
    char why[256];

    if (rd_kafka_conf_set(s->conf, key, text, why, sizeof why) != RD_KAFKA_CONF_OK) {
        s->host->wrong(s->source, "properties", key, "librdkafka: %s", why);
        s->mistakes++;
    }
    return 0;
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char why[256];

    rd_kafka_conf_set(conf, key, value, why, sizeof why);
}

static rd_kafka_conf_t *make_conf(struct fr_source *source, const struct fr_source_host *host,
                                  int *mistakes)
{
    struct setter s = {rd_kafka_conf_new(), source, host, 0};

    set(s.conf, "client.id", "fleetroute");
    /* After a crash the group waits for this long until it believes it. */
    set(s.conf, "session.timeout.ms", "10000");
    set(s.conf, "bootstrap.servers", host->text(source, "brokers"));
    set(s.conf, "group.id", host->text(source, "group"));
    set(s.conf, "auto.offset.reset", host->number(source, "from") == 0 ? "earliest" : "latest");
    /* Offsets are stored when the journal has the record, and committed in the background. */
    set(s.conf, "enable.auto.offset.store", "false");
    set(s.conf, "enable.auto.commit", "true");
    set(s.conf, "auto.commit.interval.ms", "1000");
    /* The journal is the buffer; what librdkafka fetches ahead only costs memory. */
    set(s.conf, "queued.max.messages.kbytes", "8192");
    set(s.conf, "queued.min.messages", "10000");
    set(s.conf, "fetch.message.max.bytes", "2097152");
    set(s.conf, "topic.metadata.refresh.interval.ms", "5000"); /* topics that appear later */
    set(s.conf, "allow.auto.create.topics", "false");
    set(s.conf, "log.queue", "true");
    host->each(source, "properties", set_property, &s);
    *mistakes = s.mistakes;
    return s.conf;
}

static void check(struct fr_source *source, const struct fr_source_host *host)
{
    const char *topic = host->text(source, "topic");
    const char *type = strstr(topic, "%{type}");
    char text[256];
    int mistakes;
    rd_kafka_conf_t *conf = make_conf(source, host, &mistakes);
    rd_kafka_t *trial;

    if (type == NULL || type[strlen("%{type}")] != '\0')
        host->wrong(source, "topic", NULL,
                    "topic must end in %%{type}: tesla_%%{type} reads "
                    "tesla_V, tesla_alerts, …");
    if (mistakes != 0) {
        rd_kafka_conf_destroy(conf);
        return;
    }
    set(conf, "bootstrap.servers", "127.0.0.1:1"); /* a check connects to no one */
    trial = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (trial == NULL) {
        host->wrong(source, "properties", NULL, "librdkafka: %s", text);
        rd_kafka_conf_destroy(conf);
    } else
        rd_kafka_destroy(trial);
}

/* ---- records --------------------------------------------------------------------- */

struct text {
    const char *at;
    size_t len;
};

static struct text header(rd_kafka_headers_t *headers, const char *name)
{
    const void *value;
    size_t len;

    if (headers != NULL &&
        rd_kafka_header_get_last(headers, name, &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR &&
        value != NULL)
        return (struct text){value, len};
    return (struct text){"", 0};
}

static int64_t number_of(struct text text)
{
    int64_t number = 0;

    for (size_t i = 0; i < text.len && i < 18; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return 0;
        number = number * 10 + (text.at[i] - '0');
    }
    return number;
}

/* The record type is what the topic's name ends in; txtype says the same where it is there. */
static struct text type_of(const struct instance *i, rd_kafka_headers_t *headers, const char *topic)
{
    struct text type = header(headers, "txtype");

    if (type.len == 0 && strlen(topic) > i->prefix_len)
        type = (struct text){topic + i->prefix_len, strlen(topic + i->prefix_len)};
    return type;
}

static enum fr_submitted submit(struct instance *i, const rd_kafka_message_t *m)
{
    const char *topic = rd_kafka_topic_name(m->rkt);
    rd_kafka_headers_t *headers = NULL;
    struct text vin, type, txid, version;
    char place[320], client_version[256];
    struct fr_submission s = {.client_version = client_version, .bytes = m->payload, .len = m->len};

    rd_kafka_message_headers(m, &headers);
    vin = header(headers, "vin");
    if (vin.len == 0 && m->key != NULL)
        vin = (struct text){m->key, m->key_len};
    type = type_of(i, headers, topic);
    txid = header(headers, "txid");
    if (txid.len == 0) { /* from somebody who sends none: its place in Kafka is one */
        int n = snprintf(place, sizeof place, "kafka-%.200s-%d-%lld", topic, (int)m->partition,
                         (long long)m->offset);

        txid = (struct text){place, (size_t)n};
    }
    version = header(headers, "device_client_version");
    snprintf(client_version, sizeof client_version, "%.*s",
             version.len < 255 ? (int)version.len : 255, version.at);
    s.vin = vin.at;
    s.vin_len = vin.len;
    s.record_type = type.at;
    s.record_type_len = type.len;
    s.txid = txid.at;
    s.txid_len = txid.len;
    s.received_ms = number_of(header(headers, "receivedat"));
    /* No protobuf message of ours begins with '{': that would be a group. */
    s.format =
        m->len > 0 && *(const char *)m->payload == '{' ? FR_FORMAT_TESLA_JSON : FR_FORMAT_PROTOBUF;
    return i->host->submit(i->source, &s);
}

/* ---- offsets --------------------------------------------------------------------- */

static bool remember(struct instance *i, rd_kafka_message_t *m, bool left_out)
{
    if (i->count == i->room) {
        struct pending *ring = calloc(i->room * 2, sizeof *ring);

        if (ring == NULL)
            return false;
        for (size_t k = 0; k < i->count; k++)
            ring[k] = i->pending[(i->first + k) % i->room];
        free(i->pending);
        i->pending = ring;
        i->room *= 2;
        i->first = 0;
    }
    i->pending[(i->first + i->count++) % i->room] = (struct pending){m, left_out};
    return true;
}

static void store_offset(struct instance *i, rd_kafka_message_t *m)
{
    rd_kafka_resp_err_t err = rd_kafka_offset_store(m->rkt, m->partition, m->offset);

    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) /* no longer our partition: somebody reads it again */
        i->host->log(i->source, FR_LOG_DEBUG, "offset not stored: %s", rd_kafka_err2str(err));
    rd_kafka_message_destroy(m);
}

static rd_kafka_message_t *oldest(struct instance *i)
{
    rd_kafka_message_t *m = i->pending[i->first].message;

    i->first = (i->first + 1) % i->room;
    i->count--;
    return m;
}

static void store_left_out(struct instance *i)
{
    while (i->count != 0 && i->pending[i->first].left_out)
        store_offset(i, oldest(i));
}

static void stored(void *state, size_t count)
{
    struct instance *i = state;

    for (; count > 0 && i->count > 0; count--) {
        store_left_out(i);
        if (i->count != 0)
            store_offset(i, oldest(i));
    }
    store_left_out(i);
}

/* ---- consuming ------------------------------------------------------------------- */

static void trouble(struct instance *i, rd_kafka_resp_err_t err, const char *text)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        break;
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
        i->up = false;
        i->host->health(i->source, FR_HEALTH_DOWN, "%s (check `brokers:` and whether Kafka runs)",
                        text);
        break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        i->host->health(i->source, FR_HEALTH_DEGRADED, "no topic %.*s* is there yet",
                        (int)i->prefix_len, i->prefix);
        break;
    default:
        i->doubt = true;
        i->host->log(i->source, FR_LOG_INFO, "Kafka: %s", text);
        break;
    }
}

/* librdkafka's errors that belong to no message; called from within its polling. */
static void client_error(rd_kafka_t *consumer, int err, const char *reason, void *ctx)
{
    (void)consumer;
    trouble(ctx, (rd_kafka_resp_err_t)err, reason);
}

static void is_up(struct instance *i)
{
    if (i->up)
        return;
    i->up = true;
    i->host->health(i->source, FR_HEALTH_UP, "consuming");
}

/* That a broker is back, or that none is left, shows in the next message, which may be long in
 * coming; so it is asked. */
static void look_for_broker(struct instance *i)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t err;

    if ((i->up && !i->doubt) || ++i->beats % BEATS_A_LOOK != 0)
        return;
    err = rd_kafka_metadata(i->consumer, 0, NULL, &metadata, LOOK_MS);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_metadata_destroy(metadata);
        i->doubt = false;
        i->misses = 0;
        is_up(i);
    } else if (i->up && ++i->misses == MISSES_MOST)
        trouble(i, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, "no broker answers");
}

/* false: there is no room for it; it is held. */
static bool take(struct instance *i, rd_kafka_message_t *m)
{
    enum fr_submitted outcome = submit(i, m);

    if (outcome == FR_SUBMIT_LATER) {
        i->held = m;
        return false;
    }
    if (!remember(i, m, outcome == FR_SUBMIT_LEFT))
        rd_kafka_message_destroy(m); /* no memory: its offset stays, so it comes again */
    if (outcome == FR_SUBMIT_LEFT)
        store_left_out(i);
    is_up(i);
    return true;
}

static void consume(struct instance *i)
{
    if (i->held != NULL) {
        rd_kafka_message_t *m = i->held;

        i->held = NULL;
        if (!take(i, m))
            return;
    }
    for (int n = 0; n < MESSAGES_A_PASS; n++) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(i->consumer, 0);

        if (m == NULL)
            return;
        if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            trouble(i, m->err, rd_kafka_message_errstr(m));
            rd_kafka_message_destroy(m);
        } else if (!take(i, m))
            return;
    }
    event_active(i->wake_event, EV_READ, 0);
}

static void woken(evutil_socket_t fd, short what, void *ctx)
{
    struct instance *i = ctx;
    uint64_t count;

    (void)what;
    if (fd >= 0 && read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        i->host->log(i->source, FR_LOG_ERROR, "eventfd: %s", strerror(errno));
    consume(i);
}

static void beat(evutil_socket_t fd, short what, void *ctx)
{
    woken(fd, what, ctx);
    look_for_broker(ctx);
}

static void room(void *state)
{
    consume(state);
}

/* ---- life ------------------------------------------------------------------------ */

static int subscribe(struct instance *i)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    char pattern[512], *to = pattern;
    rd_kafka_resp_err_t err;

    *to++ = '^';
    for (const char *c = i->prefix; c < i->prefix + i->prefix_len && to < pattern + 480; c++) {
        if (strchr(".[]{}()\\*+?^$|", *c) != NULL)
            *to++ = '\\';
        *to++ = *c;
    }
    strcpy(to, "[A-Za-z]+$");
    rd_kafka_topic_partition_list_add(topics, pattern, RD_KAFKA_PARTITION_UA);
    err = rd_kafka_subscribe(i->consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    i->host->log(i->source, FR_LOG_ERROR, "cannot subscribe to %s: %s", pattern,
                 rd_kafka_err2str(err));
    return -1;
}

static int start_consumer(struct instance *i)
{
    static const uint64_t one = 1;
    char why[256];
    int mistakes;
    rd_kafka_conf_t *conf = make_conf(i->source, i->host, &mistakes);

    rd_kafka_conf_set_opaque(conf, i);
    rd_kafka_conf_set_error_cb(conf, client_error);
    if (mistakes == 0)
        i->consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (i->consumer == NULL) {
        if (mistakes == 0)
            i->host->log(i->source, FR_LOG_ERROR, "librdkafka: %s", why);
        rd_kafka_conf_destroy(conf);
        return -1;
    }
    rd_kafka_poll_set_consumer(i->consumer);
    i->queue = rd_kafka_queue_get_consumer(i->consumer);
    rd_kafka_queue_io_event_enable(i->queue, i->wake, &one, sizeof one);
    return subscribe(i);
}

static void *destroy(void *consumer)
{
    rd_kafka_destroy_flags(consumer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return NULL;
}

/* Commit what is stored and leave the group. librdkafka would wait for a broker that is away, for
 * as long as it is; then it is left to do so alone. */
static void close_consumer(struct instance *i)
{
    rd_kafka_error_t *error;
    pthread_t alone;

    if (i->consumer == NULL)
        return;
    rd_kafka_queue_io_event_enable(i->queue, -1, NULL, 0);
    error = rd_kafka_consumer_close_queue(i->consumer, i->queue);
    if (error != NULL)
        rd_kafka_error_destroy(error);
    for (int waited = 0; i->up && waited < CLOSE_MS && !rd_kafka_consumer_closed(i->consumer);
         waited += CLOSE_STEP_MS) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(i->queue, CLOSE_STEP_MS);

        if (event != NULL)
            rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(i->queue);
    if (rd_kafka_consumer_closed(i->consumer))
        destroy(i->consumer);
    else if (pthread_create(&alone, NULL, destroy, i->consumer) == 0)
        pthread_detach(alone);
}

static void close_instance(void *state)
{
    struct instance *i = state;

    if (i->held != NULL)
        rd_kafka_message_destroy(i->held);
    while (i->count != 0)
        rd_kafka_message_destroy(oldest(i));
    close_consumer(i);
    if (i->wake_event != NULL)
        event_free(i->wake_event);
    if (i->timer != NULL)
        event_free(i->timer);
    if (i->wake >= 0)
        close(i->wake);
    free(i->pending);
    free(i);
}

static void *open_instance(struct fr_source *source, const struct fr_source_host *host)
{
    struct timeval pause = {0, HOUSEKEEPING_MS * 1000};
    struct instance *i = calloc(1, sizeof *i);

    if (i == NULL)
        return NULL;
    i->source = source;
    i->host = host;
    i->prefix = host->text(source, "topic");
    i->prefix_len = strlen(i->prefix) - strlen("%{type}");
    host->health(source, FR_HEALTH_DEGRADED, "connecting");
    i->room = PENDING_AT_FIRST;
    i->pending = calloc(i->room, sizeof *i->pending);
    i->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    i->wake_event = event_new(host->event_base(source), i->wake, EV_READ | EV_PERSIST, woken, i);
    i->timer = event_new(host->event_base(source), -1, EV_PERSIST, beat, i);
    if (i->pending == NULL || i->wake < 0 || i->wake_event == NULL || i->timer == NULL ||
        event_add(i->wake_event, NULL) != 0 || event_add(i->timer, &pause) != 0 ||
        start_consumer(i) != 0) {
        close_instance(i);
        return NULL;
    }
    return i;
}

static const struct fr_option options[] = {
    {"brokers", FR_OPTION_TEXT, NULL, true, NULL, "host:port of some brokers, with commas between"},
    {"group", FR_OPTION_TEXT, "fleetroute", false, NULL,
     "consumer group; each group reads everything, at its own pace"},
    {"topic", FR_OPTION_TEXT, "tesla_%{type}", false, NULL, "topics to read"},
    {"from", FR_OPTION_CHOICE, "oldest", false, "oldest|now", "where a new group begins"},
    {"properties", FR_OPTION_MAP, NULL, false, NULL, "any of librdkafka's properties"},
    {0},
};

extern const struct fr_source_plugin fleetroute_source;

const struct fr_source_plugin fleetroute_source = {
    .abi = FLEETROUTE_PLUGIN_ABI,
    .name = "kafka",
    .version = PACKAGE_VERSION,
    .summary = "topics of Apache Kafka, written by fleetroute or by Tesla's server",
    .options = options,
    .check = check,
    .open = open_instance,
    .stored = stored,
    .room = room,
    .close = close_instance,
};
