#include "kafka_topics.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock_ms.h"
#include "kafka_errors.h"
#include "text_hash.h"
#include "topic_window.h"

#define TOPICS_MAX 1024      /* a pattern with %{vin} in it must not grow without end */
#define BUCKETS 2048         /* a power of two */
#define AGAIN_S 2            /* between tries to create a topic while no broker answers */
#define WIDEN_S 60           /* between questions whether a topic takes larger batches */
#define LOOK_MS 300          /* before a topic that was created again is tried once more */
#define MISSING_MAX_MS 60000 /* deliveries wait so long for a topic that is created again */
#define WELL_MS 10000        /* a topic that is not reported missing for so long is there */

struct list {
    struct fr_delivery *first, *last; /* linked by plugin_data */
};

struct topic {
    struct topic *next_in_bucket;
    char *name;
    rd_kafka_topic_t *handle; /* its opaque is this struct */
    bool there;
    bool asked;         /* a creation is on its way */
    bool not_created;   /* the broker refuses to create it */
    int64_t refused_ms; /* monotonic: when it did */
    bool limit_logged;
    int64_t missing_ms; /* monotonic: since when it is missing, and the last report */
    int64_t last_missing_ms;
    struct topic_window window;
    struct list returned; /* failed, to be sent again before those that wait */
    struct list waiting;
};

struct fr_topics {
    struct fr_sink *sink;
    const struct fr_host *host;
    rd_kafka_t *producer;
    rd_kafka_queue_t *events;
    fr_topics_produce_fn *produce;
    fr_topics_failed_fn *failed;
    void *ctx;
    struct event *again; /* missing topics are created */
    struct event *widen; /* limited topics are looked at again */
    struct topic topics[TOPICS_MAX];
    size_t count;
    struct topic *buckets[BUCKETS];
    bool stopped;
};

/* ---- lists ----------------------------------------------------------------------- */

static void list_append(struct list *list, struct fr_delivery *d)
{
    d->plugin_data = NULL;
    if (list->first == NULL)
        list->first = d;
    else
        list->last->plugin_data = d;
    list->last = d;
}

static void list_prepend(struct list *list, struct fr_delivery *d)
{
    d->plugin_data = list->first;
    if (list->first == NULL)
        list->last = d;
    list->first = d;
}

static struct fr_delivery *list_take(struct list *list)
{
    struct fr_delivery *d = list->first;

    if (d == NULL)
        return NULL;
    list->first = d->plugin_data;
    d->plugin_data = NULL;
    return d;
}

/* The delivery that is to be sent next; NULL: none waits. */
static struct fr_delivery *topic_take(struct topic *topic)
{
    return list_take(topic->returned.first != NULL ? &topic->returned : &topic->waiting);
}

static const struct fr_delivery *topic_next(const struct topic *topic)
{
    return topic->returned.first != NULL ? topic->returned.first : topic->waiting.first;
}

/* ---- sending --------------------------------------------------------------------- */

static bool topic_missing(struct fr_topics *t, struct topic *topic);
static void topic_too_large(struct fr_topics *t, struct topic *topic);

/* The topic is missing for good: what waits for it fails. */
static void topic_fail_waiting(struct fr_topics *t, struct topic *topic, rd_kafka_resp_err_t err)
{
    struct fr_delivery *d;

    while ((d = topic_take(topic)) != NULL)
        t->failed(t->ctx, topic->name, d, err);
}

/* A delivery failed: its report says so, or (not `sent`) librdkafka did not take it. */
static void topic_failed(struct fr_topics *t, struct topic *topic, struct fr_delivery *d,
                         rd_kafka_resp_err_t err, bool sent)
{
    bool missing = fr_kafka_topic_is_missing(err) && !t->stopped;
    bool large = err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE && sent;

    if (large && t->stopped) /* its batch may have been too large; the next producer finds out */
        t->host->done(t->sink, d, FR_RETRY);
    else if (large && topic_window_shrink(&topic->window, topic_window_cost(d))) {
        topic_too_large(t, topic);
        list_append(&topic->returned, d);
    } else if (missing && topic_missing(t, topic)) {
        if (sent)
            list_append(&topic->returned, d);
        else
            list_prepend(&topic->returned, d); /* it was the first of those that wait */
    } else {
        t->failed(t->ctx, topic->name, d, err);
        if (missing && !topic->there)
            topic_fail_waiting(t, topic, err);
    }
}

static void topic_send(struct fr_topics *t, struct topic *topic, struct fr_delivery *d)
{
    rd_kafka_resp_err_t err = t->produce(t->ctx, topic->handle, d);

    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        topic_window_sent(&topic->window, topic_window_cost(d));
    else
        topic_failed(t, topic, d, err, false);
}

/* Send what waits, as far as the topic takes it. */
static void topic_continue(struct fr_topics *t, struct topic *topic)
{
    const struct fr_delivery *next;

    while (topic->there && !t->stopped && (next = topic_next(topic)) != NULL &&
           topic_window_allows(&topic->window, topic_window_cost(next)))
        topic_send(t, topic, topic_take(topic));
}

static void topic_give_back(struct fr_topics *t, struct topic *topic)
{
    struct fr_delivery *d;

    while ((d = topic_take(topic)) != NULL)
        t->host->done(t->sink, d, FR_RETRY);
}

void fr_topics_stop(struct fr_topics *t)
{
    t->stopped = true;
    for (size_t i = 0; i < t->count; i++)
        topic_give_back(t, &t->topics[i]);
}

bool fr_topics_reported(struct fr_topics *t, const rd_kafka_message_t *message)
{
    struct topic *topic = rd_kafka_topic_opaque(message->rkt);
    struct fr_delivery *d = message->_private;
    bool sent = message->err == RD_KAFKA_RESP_ERR_NO_ERROR;

    topic_window_answered(&topic->window, topic_window_cost(d));
    if (!sent)
        topic_failed(t, topic, d, message->err, true);
    if (topic_window_drained(&topic->window))
        topic_continue(t, topic);
    return sent;
}

/* ---- creating -------------------------------------------------------------------- */

static void create(struct fr_topics *t, struct topic *topic)
{
    int partitions = (int)t->host->number(t->sink, "partitions");
    int replication = (int)t->host->number(t->sink, "replication");
    char why[256], retention[24];
    rd_kafka_NewTopic_t *wish =
        rd_kafka_NewTopic_new(topic->name, partitions > 0 ? partitions : -1,
                              replication > 0 ? replication : -1, why, sizeof why);
    rd_kafka_AdminOptions_t *options;

    if (wish == NULL) {
        t->host->log(t->sink, FR_LOG_ERROR, "topic %s cannot be created: %s", topic->name, why);
        topic->there = true; /* producing to it will say what is wrong */
        return;
    }
    snprintf(retention, sizeof retention, "%lld", (long long)t->host->number(t->sink, "retention"));
    rd_kafka_NewTopic_set_config(wish, "retention.ms", retention);
    options = rd_kafka_AdminOptions_new(t->producer, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_request_timeout(options, 10000, why, sizeof why);
    rd_kafka_AdminOptions_set_operation_timeout(options, 10000, why, sizeof why);
    rd_kafka_CreateTopics(t->producer, &wish, 1, options, t->events);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(wish);
    topic->asked = true;
}

static size_t topics_bucket(const char *name)
{
    return fr_text_hash(name) & (BUCKETS - 1);
}

static struct topic *find(struct fr_topics *t, const char *name)
{
    struct topic *topic = t->buckets[topics_bucket(name)];

    while (topic != NULL && strcmp(topic->name, name) != 0)
        topic = topic->next_in_bucket;
    return topic;
}

static void answered(struct fr_topics *t, struct topic *topic, rd_kafka_resp_err_t err,
                     const char *why)
{
    topic->asked = false;
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
                     "topic %s was not created (%s: %s); writing to it as if it were there",
                     topic->name, rd_kafka_err2name(err), why != NULL ? why : "");
        topic->not_created = true;
        topic->refused_ms = fr_clock_monotonic_ms();
        break;
    default:
        t->host->log(t->sink, FR_LOG_INFO, "topic %s: %s; trying again", topic->name,
                     rd_kafka_err2str(err));
        if (!event_pending(t->again, EV_TIMEOUT, NULL))
            event_add(t->again, &(struct timeval){AGAIN_S, 0});
        if (err > 0 && fr_clock_monotonic_ms() - topic->missing_ms >= MISSING_MAX_MS)
            topic_fail_waiting(t, topic, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
        return;
    }
    topic->there = true;
    topic_continue(t, topic);
}

void fr_topics_created(struct fr_topics *t, rd_kafka_event_t *event)
{
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    const rd_kafka_topic_result_t **topics = NULL;
    size_t count = 0;

    if (result != NULL)
        topics = rd_kafka_CreateTopics_result_topics(result, &count);
    for (size_t i = 0; i < count; i++) {
        struct topic *topic = find(t, rd_kafka_topic_result_name(topics[i]));

        if (topic != NULL)
            answered(t, topic, rd_kafka_topic_result_error(topics[i]),
                     rd_kafka_topic_result_error_string(topics[i]));
    }
    /* A request that failed as a whole names no topic: all that were asked for try again. */
    for (size_t i = 0; count == 0 && i < t->count; i++)
        if (t->topics[i].asked)
            answered(t, &t->topics[i], rd_kafka_event_error(event), NULL);
}

/* librdkafka or the broker does not know the topic. True: deliveries wait until it is created again
 * and librdkafka knows that, a minute at most. False: the options or the broker do not allow creating
 * it, or the minute is over. */
static bool topic_missing(struct fr_topics *t, struct topic *topic)
{
    int64_t now = fr_clock_monotonic_ms();
    bool again;

    if (t->host->number(t->sink, "create_topics") == 0)
        return false;
    if (topic->not_created) {
        if (!topic->asked && now - topic->refused_ms >= MISSING_MAX_MS)
            create(t, topic); /* the right to create it may have been given */
        return false;
    }
    again = topic->last_missing_ms != 0 && now - topic->last_missing_ms < WELL_MS;
    if (!again)
        topic->missing_ms = now;
    topic->last_missing_ms = now;
    topic->there = false;
    if (!event_pending(t->again, EV_TIMEOUT, NULL))
        event_add(t->again, &(struct timeval){0, again ? LOOK_MS * 1000 : 0});
    return now - topic->missing_ms < MISSING_MAX_MS;
}

static void try_again(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_topics *t = ctx;

    (void)fd, (void)what;
    for (size_t i = 0; i < t->count; i++)
        if (!t->topics[i].there && !t->topics[i].asked) {
            create(t, &t->topics[i]);
            topic_continue(t, &t->topics[i]);
        }
}

/* ---- limits ---------------------------------------------------------------------- */

/* Ask for max.message.bytes of the topics that have a limited window. */
static void topics_ask_limits(struct fr_topics *t)
{
    rd_kafka_ConfigResource_t *resources[TOPICS_MAX];
    rd_kafka_AdminOptions_t *admin =
        rd_kafka_AdminOptions_new(t->producer, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    char why[128];
    size_t count = 0;

    for (size_t i = 0; i < t->count; i++)
        if (t->topics[i].window.limit != 0 &&
            (resources[count] =
                 rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, t->topics[i].name)) != NULL)
            count++;
    if (admin != NULL && count != 0) {
        rd_kafka_AdminOptions_set_request_timeout(admin, 10000, why, sizeof why);
        rd_kafka_DescribeConfigs(t->producer, resources, count, admin, t->events);
    }
    rd_kafka_ConfigResource_destroy_array(resources, count);
    if (admin != NULL)
        rd_kafka_AdminOptions_destroy(admin);
}

/* The first records of a batch that the topic does not take. */
static void topic_too_large(struct fr_topics *t, struct topic *topic)
{
    if (!topic->limit_logged)
        t->host->log(
            t->sink, FR_LOG_NOTICE,
            "topic %s takes smaller batches than were sent; it gets smaller ones. Raise its "
            "max.message.bytes for more throughput",
            topic->name);
    topic->limit_logged = true;
    if (event_pending(t->widen, EV_TIMEOUT, NULL))
        return;
    event_add(t->widen, &(struct timeval){WIDEN_S, 0});
    topics_ask_limits(t);
}

static void topic_learn(struct fr_topics *t, struct topic *topic,
                        const rd_kafka_ConfigResource_t *resource)
{
    size_t count;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);
    long limit = 0;

    for (size_t i = 0; i < count; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);

        if (value != NULL &&
            strcmp(rd_kafka_ConfigEntry_name(entries[i]), "max.message.bytes") == 0)
            limit = strtol(value, NULL, 10);
    }
    if (limit <= 0 || topic->window.limit == 0)
        return;
    topic_window_learn(&topic->window, (size_t)limit);
    topic_continue(t, topic);
}

void fr_topics_described(struct fr_topics *t, rd_kafka_event_t *event)
{
    const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(event);
    const rd_kafka_ConfigResource_t **resources = NULL;
    size_t count = 0;

    if (result != NULL)
        resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
    for (size_t i = 0; i < count; i++) {
        struct topic *topic = find(t, rd_kafka_ConfigResource_name(resources[i]));

        if (topic != NULL)
            topic_learn(t, topic, resources[i]);
    }
}

/* Once a minute while a topic is limited: its limit may have been raised. */
static void widen_due(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_topics *t = ctx;
    bool limited = false;

    (void)fd, (void)what;
    for (size_t i = 0; i < t->count; i++) {
        topic_window_widen(&t->topics[i].window);
        t->topics[i].limit_logged = t->topics[i].limit_logged && t->topics[i].window.limit != 0;
        limited = limited || t->topics[i].window.limit != 0;
        topic_continue(t, &t->topics[i]);
    }
    if (!limited)
        return;
    event_add(t->widen, &(struct timeval){WIDEN_S, 0});
    topics_ask_limits(t);
}

/* ---- use ------------------------------------------------------------------------- */

static rd_kafka_topic_t *topic_handle(struct fr_topics *t, struct topic *topic, const char *name)
{
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(t->producer);

    rd_kafka_topic_conf_set_opaque(conf, topic);
    return rd_kafka_topic_new(t->producer, name, conf); /* takes conf over */
}

static struct topic *add(struct fr_topics *t, const char *name)
{
    struct topic *topic = &t->topics[t->count];

    if (t->count == TOPICS_MAX)
        return NULL;
    *topic = (struct topic){.name = strdup(name), .missing_ms = fr_clock_monotonic_ms()};
    topic->handle = topic_handle(t, topic, name);
    if (topic->name == NULL || topic->handle == NULL) {
        free(topic->name);
        return NULL;
    }
    topic->next_in_bucket = t->buckets[topics_bucket(name)];
    t->buckets[topics_bucket(name)] = topic;
    t->count++;
    if (t->host->number(t->sink, "create_topics") != 0)
        create(t, topic);
    else
        topic->there = true;
    return topic;
}

void fr_topics_deliver(struct fr_topics *t, const char *name, struct fr_delivery *delivery)
{
    struct topic *topic = find(t, name);

    if (topic == NULL)
        topic = add(t, name);
    if (topic == NULL) {
        t->host->fail(t->sink, delivery, FR_REFUSED,
                      "topic %s: no more than %d topics are written to (put less into `topic:`)",
                      name, TOPICS_MAX);
        return;
    }
    if (topic->there && topic_next(topic) == NULL &&
        topic_window_allows(&topic->window, topic_window_cost(delivery)))
        topic_send(t, topic, delivery);
    else
        list_append(&topic->waiting, delivery);
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
    t->again = event_new(host->event_base(sink), -1, 0, try_again, t);
    t->widen = event_new(host->event_base(sink), -1, 0, widen_due, t);
    if (t->again != NULL && t->widen != NULL)
        return t;
    fr_topics_free(t);
    return NULL;
}

void fr_topics_free(struct fr_topics *t)
{
    for (size_t i = 0; i < t->count; i++) {
        topic_give_back(t, &t->topics[i]);
        rd_kafka_topic_destroy(t->topics[i].handle);
        free(t->topics[i].name);
    }
    if (t->again != NULL)
        event_free(t->again);
    if (t->widen != NULL)
        event_free(t->widen);
    free(t);
}
