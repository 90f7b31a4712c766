#include "kafka_topics.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "clock_ms.h"
#include "delivery_list.h"
#include "kafka_admin.h"
#include "kafka_errors.h"
#include "text_hash.h"
#include "topic_window.h"

#define TOPICS_MAX 1024      /* bounds the memory for a pattern with %{vin} */
#define BUCKETS 2048         /* a power of two */
#define CREATE_RETRY_S 2     /* between two attempts to create a topic while no broker answers */
#define WIDEN_S 60           /* between two queries for a larger limit of a limited topic */
#define RECREATE_MS 300      /* before a topic that is missing repeatedly is created again */
#define MISSING_MAX_MS 60000 /* how long deliveries wait for a topic that is created again */
#define ADMIN_TIMEOUT_MS 10000
#define PRESENT_MS 10000 /* without a report that the topic is missing: the topic exists */

struct topic {
    struct topic *next_in_bucket;
    char *name;
    rd_kafka_topic_t *handle; /* its opaque is this struct */
    bool exists;              /* as far as known; false: deliveries wait */
    bool requested;           /* a creation request is unanswered */
    bool not_created;         /* the broker refused to create the topic */
    int64_t refused_ms;       /* monotonic: time of that refusal */
    bool limit_logged;
    int64_t missing_ms; /* monotonic: first and last report that the topic is missing */
    int64_t last_missing_ms;
    struct topic_window window;
    struct delivery_list returned; /* failed; sent again before `waiting` */
    struct delivery_list waiting;
};

struct fr_topics {
    struct fr_sink *sink;
    const struct fr_host *host;
    rd_kafka_t *producer;
    rd_kafka_queue_t *events;
    fr_topics_produce_fn *produce;
    fr_topics_failed_fn *failed;
    void *ctx;
    struct event *create_timer;
    struct event *widen_timer;
    struct topic topics[TOPICS_MAX];
    size_t count;
    struct topic *buckets[BUCKETS];
    bool stopped;
};

/* ---- waiting deliveries ---------------------------------------------------------- */

/* Remove the delivery that is to be sent next; NULL: none waits. */
static struct fr_delivery *topics_topic_take(struct topic *topic)
{
    return delivery_list_take(topic->returned.first != NULL ? &topic->returned : &topic->waiting);
}

static const struct fr_delivery *topics_topic_next(const struct topic *topic)
{
    return topic->returned.first != NULL ? topic->returned.first : topic->waiting.first;
}

/* ---- sending --------------------------------------------------------------------- */

static bool topics_topic_missing(struct fr_topics *t, struct topic *topic);
static void topics_topic_too_large(struct fr_topics *t, struct topic *topic);

/* The topic cannot be created: its waiting deliveries fail. */
static void topics_topic_fail_waiting(struct fr_topics *t, struct topic *topic,
                                      rd_kafka_resp_err_t err)
{
    struct fr_delivery *d;

    while ((d = topics_topic_take(topic)) != NULL)
        t->failed(t->ctx, topic->name, d, err);
}

/* A delivery failed, by its delivery report (`sent`), or because librdkafka did not accept it. */
static void topics_topic_failed(struct fr_topics *t, struct topic *topic, struct fr_delivery *d,
                                rd_kafka_resp_err_t err, bool sent)
{
    bool missing = fr_kafka_topic_is_missing(err) && !t->stopped;
    bool large = err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE && sent;

    if (large && t->stopped) /* its batch may have been too large: retry with the next producer */
        t->host->done(t->sink, d, FR_RETRY);
    else if (large && topic_window_shrink(&topic->window, topic_window_cost(d))) {
        topics_topic_too_large(t, topic);
        delivery_list_add(&topic->returned, d);
    } else if (missing && topics_topic_missing(t, topic)) {
        if (sent)
            delivery_list_add(&topic->returned, d);
        else
            delivery_list_add_first(&topic->returned, d); /* it was the first one waiting */
    } else {
        t->failed(t->ctx, topic->name, d, err);
        if (missing && !topic->exists)
            topics_topic_fail_waiting(t, topic, err);
    }
}

static void topics_topic_send(struct fr_topics *t, struct topic *topic, struct fr_delivery *d)
{
    rd_kafka_resp_err_t err = t->produce(t->ctx, topic->handle, d);

    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        topic_window_sent(&topic->window, topic_window_cost(d));
    else
        topics_topic_failed(t, topic, d, err, false);
}

/* Send waiting deliveries as far as the window allows. */
static void topics_topic_continue(struct fr_topics *t, struct topic *topic)
{
    const struct fr_delivery *next;

    while (topic->exists && !t->stopped && (next = topics_topic_next(topic)) != NULL &&
           topic_window_allows(&topic->window, topic_window_cost(next)))
        topics_topic_send(t, topic, topics_topic_take(topic));
}

static void topics_topic_return_all(struct fr_topics *t, struct topic *topic)
{
    struct fr_delivery *d;

    while ((d = topics_topic_take(topic)) != NULL)
        t->host->done(t->sink, d, FR_RETRY);
}

void fr_topics_stop(struct fr_topics *t)
{
    t->stopped = true;
    for (size_t i = 0; i < t->count; i++)
        topics_topic_return_all(t, &t->topics[i]);
}

bool fr_topics_reported(struct fr_topics *t, const rd_kafka_message_t *message)
{
    struct topic *topic = rd_kafka_topic_opaque(message->rkt);
    struct fr_delivery *d = message->_private;
    bool sent = message->err == RD_KAFKA_RESP_ERR_NO_ERROR;

    topic_window_reported(&topic->window, topic_window_cost(d));
    if (!sent)
        topics_topic_failed(t, topic, d, message->err, true);
    if (topic_window_drained(&topic->window))
        topics_topic_continue(t, topic);
    return sent;
}

/* ---- creating -------------------------------------------------------------------- */

static void topics_create(struct fr_topics *t, struct topic *topic)
{
    const struct fr_kafka_new_topic settings = {
        .name = topic->name,
        .partitions = (int)t->host->number(t->sink, "partitions"),
        .replication = (int)t->host->number(t->sink, "replication"),
        .retention_ms = t->host->number(t->sink, "retention"),
    };
    char why[256];

    topic->requested =
        fr_kafka_admin_create_topic(t->producer, t->events, &settings, why, sizeof why);
    if (topic->requested)
        return;
    t->host->log(t->sink, FR_LOG_ERROR, "topic %s cannot be created: %s", topic->name, why);
    topic->exists = true; /* producing to the topic reports the error */
}

static size_t topics_bucket(const char *name)
{
    return fr_text_hash(name) & (BUCKETS - 1);
}

static struct topic *topics_find(struct fr_topics *t, const char *name)
{
    struct topic *topic = t->buckets[topics_bucket(name)];

    while (topic != NULL && strcmp(topic->name, name) != 0)
        topic = topic->next_in_bucket;
    return topic;
}

static void topics_create_result(struct fr_topics *t, struct topic *topic, rd_kafka_resp_err_t err,
                                 const char *why)
{
    topic->requested = false;
    topic->not_created = false;
    switch (err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        t->host->log(t->sink, FR_LOG_NOTICE, "created topic %s", topic->name);
        break;
    case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
        break;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        t->host->log(t->sink, FR_LOG_WARNING,
                     "topic %s was not created (%s: %s); writing to it as if it existed",
                     topic->name, rd_kafka_err2name(err), why != NULL ? why : "");
        topic->not_created = true;
        topic->refused_ms = fr_clock_monotonic_ms();
        break;
    default:
        t->host->log(t->sink, FR_LOG_INFO, "topic %s: %s; trying again", topic->name,
                     rd_kafka_err2str(err));
        if (!event_pending(t->create_timer, EV_TIMEOUT, NULL))
            event_add(t->create_timer, &(struct timeval){CREATE_RETRY_S, 0});
        if (err > 0 && fr_clock_monotonic_ms() - topic->missing_ms >= MISSING_MAX_MS)
            topics_topic_fail_waiting(t, topic, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
        return;
    }
    topic->exists = true;
    topics_topic_continue(t, topic);
}

void fr_topics_created(struct fr_topics *t, rd_kafka_event_t *event)
{
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    const rd_kafka_topic_result_t **topics = NULL;
    size_t count = 0;

    if (result != NULL)
        topics = rd_kafka_CreateTopics_result_topics(result, &count);
    for (size_t i = 0; i < count; i++) {
        struct topic *topic = topics_find(t, rd_kafka_topic_result_name(topics[i]));

        if (topic != NULL)
            topics_create_result(t, topic, rd_kafka_topic_result_error(topics[i]),
                                 rd_kafka_topic_result_error_string(topics[i]));
    }
    /* A request that failed as a whole names no topic: request all topics again. */
    for (size_t i = 0; count == 0 && i < t->count; i++)
        if (t->topics[i].requested)
            topics_create_result(t, &t->topics[i], rd_kafka_event_error(event), NULL);
}

/* librdkafka or the broker reported that the topic does not exist. True: deliveries wait until the
 * topic is created again and librdkafka has new metadata, at most MISSING_MAX_MS. False: the
 * options or the broker do not allow to create the topic, or MISSING_MAX_MS is over. */
static bool topics_topic_missing(struct fr_topics *t, struct topic *topic)
{
    int64_t now = fr_clock_monotonic_ms();
    bool again;

    if (t->host->number(t->sink, "create_topics") == 0)
        return false;
    if (topic->not_created) {
        if (!topic->requested && now - topic->refused_ms >= MISSING_MAX_MS)
            topics_create(t, topic); /* the right to create it may have been granted since */
        return false;
    }
    again = topic->last_missing_ms != 0 && now - topic->last_missing_ms < PRESENT_MS;
    if (!again)
        topic->missing_ms = now;
    topic->last_missing_ms = now;
    topic->exists = false;
    if (!event_pending(t->create_timer, EV_TIMEOUT, NULL))
        event_add(t->create_timer, &(struct timeval){0, again ? RECREATE_MS * 1000 : 0});
    return now - topic->missing_ms < MISSING_MAX_MS;
}

static void topics_create_due(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_topics *t = ctx;

    (void)fd, (void)what;
    for (size_t i = 0; i < t->count; i++)
        if (!t->topics[i].exists && !t->topics[i].requested) {
            topics_create(t, &t->topics[i]);
            topics_topic_continue(t, &t->topics[i]);
        }
}

/* ---- limits ---------------------------------------------------------------------- */

/* Query max.message.bytes of all topics that have a limited window. */
static void topics_query_limits(struct fr_topics *t)
{
    const char *names[TOPICS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < t->count; i++)
        if (t->topics[i].window.limit != 0)
            names[count++] = t->topics[i].name;
    fr_kafka_admin_describe_topics(t->producer, t->events, names, count, ADMIN_TIMEOUT_MS);
}

/* The topic has rejected a batch as too large. */
static void topics_topic_too_large(struct fr_topics *t, struct topic *topic)
{
    if (!topic->limit_logged)
        t->host->log(t->sink, FR_LOG_NOTICE,
                     "topic %s rejected a batch as too large: sending smaller batches; raise its "
                     "max.message.bytes for more throughput",
                     topic->name);
    topic->limit_logged = true;
    if (event_pending(t->widen_timer, EV_TIMEOUT, NULL))
        return;
    event_add(t->widen_timer, &(struct timeval){WIDEN_S, 0});
    topics_query_limits(t);
}

static void topics_topic_set_limit(struct fr_topics *t, struct topic *topic,
                                   const rd_kafka_ConfigResource_t *resource)
{
    long limit = fr_kafka_admin_max_message_bytes(resource);

    if (limit <= 0 || topic->window.limit == 0)
        return;
    topic_window_learn(&topic->window, (size_t)limit);
    topics_topic_continue(t, topic);
}

void fr_topics_described(struct fr_topics *t, rd_kafka_event_t *event)
{
    const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(event);
    const rd_kafka_ConfigResource_t **resources = NULL;
    size_t count = 0;

    if (result != NULL)
        resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
    for (size_t i = 0; i < count; i++) {
        struct topic *topic = topics_find(t, rd_kafka_ConfigResource_name(resources[i]));

        if (topic != NULL)
            topics_topic_set_limit(t, topic, resources[i]);
    }
}

bool fr_topics_limited(const struct fr_topics *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->topics[i].window.limit != 0 && topics_topic_next(&t->topics[i]) != NULL)
            return true;
    return false;
}

/* Every WIDEN_S while a topic is limited: its limit may have been raised. */
static void topics_widen_due(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_topics *t = ctx;
    bool limited = false;

    (void)fd, (void)what;
    for (size_t i = 0; i < t->count; i++) {
        topic_window_widen(&t->topics[i].window);
        t->topics[i].limit_logged = t->topics[i].limit_logged && t->topics[i].window.limit != 0;
        limited = limited || t->topics[i].window.limit != 0;
        topics_topic_continue(t, &t->topics[i]);
    }
    if (!limited)
        return;
    event_add(t->widen_timer, &(struct timeval){WIDEN_S, 0});
    topics_query_limits(t);
}

/* ---- topics ---------------------------------------------------------------------- */

static rd_kafka_topic_t *topics_topic_handle(struct fr_topics *t, struct topic *topic,
                                             const char *name)
{
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(t->producer);

    rd_kafka_topic_conf_set_opaque(conf, topic);
    return rd_kafka_topic_new(t->producer, name, conf); /* takes ownership of conf */
}

static struct topic *topics_add(struct fr_topics *t, const char *name)
{
    struct topic *topic = &t->topics[t->count];

    if (t->count == TOPICS_MAX)
        return NULL;
    *topic = (struct topic){.name = strdup(name), .missing_ms = fr_clock_monotonic_ms()};
    topic->handle = topics_topic_handle(t, topic, name);
    if (topic->name == NULL || topic->handle == NULL) {
        free(topic->name);
        return NULL;
    }
    topic->next_in_bucket = t->buckets[topics_bucket(name)];
    t->buckets[topics_bucket(name)] = topic;
    t->count++;
    if (t->host->number(t->sink, "create_topics") != 0)
        topics_create(t, topic);
    else
        topic->exists = true;
    return topic;
}

void fr_topics_deliver(struct fr_topics *t, const char *name, struct fr_delivery *delivery)
{
    struct topic *topic = topics_find(t, name);

    if (topic == NULL)
        topic = topics_add(t, name);
    if (topic == NULL) {
        t->host->fail(t->sink, delivery, FR_REFUSED,
                      "topic %s: more than %d topics; use a less specific pattern in `topic:`",
                      name, TOPICS_MAX);
        return;
    }
    if (topic->exists && topics_topic_next(topic) == NULL &&
        topic_window_allows(&topic->window, topic_window_cost(delivery)))
        topics_topic_send(t, topic, delivery);
    else
        delivery_list_add(&topic->waiting, delivery);
}

struct fr_topics *fr_topics_new(struct fr_sink *sink, const struct fr_host *host,
                                rd_kafka_t *producer, rd_kafka_queue_t *events,
                                fr_topics_produce_fn *produce, fr_topics_failed_fn *failed,
                                void *ctx)
{
    struct fr_topics *t = calloc(1, sizeof *t);

    if (t == NULL)
        return NULL;
    t->sink = sink;
    t->host = host;
    t->producer = producer;
    t->events = events;
    t->produce = produce;
    t->failed = failed;
    t->ctx = ctx;
    t->create_timer = event_new(host->event_base(sink), -1, 0, topics_create_due, t);
    t->widen_timer = event_new(host->event_base(sink), -1, 0, topics_widen_due, t);
    if (t->create_timer != NULL && t->widen_timer != NULL)
        return t;
    fr_topics_free(t);
    return NULL;
}

void fr_topics_free(struct fr_topics *t)
{
    for (size_t i = 0; i < t->count; i++) {
        topics_topic_return_all(t, &t->topics[i]);
        rd_kafka_topic_destroy(t->topics[i].handle);
        free(t->topics[i].name);
    }
    if (t->create_timer != NULL)
        event_free(t->create_timer);
    if (t->widen_timer != NULL)
        event_free(t->widen_timer);
    free(t);
}
