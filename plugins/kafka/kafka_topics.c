#include "kafka_topics.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TOPICS_MAX 1024      /* a pattern with %{vin} in it must not grow without end */
#define BUCKETS 2048         /* a power of two */
#define AGAIN_S 2            /* between tries to create a topic while no broker answers */
#define LOOK_MS 300          /* before a topic that was created again is tried once more */
#define MISSING_MAX_MS 60000 /* deliveries wait so long for a topic that is created again */
#define WELL_MS 10000        /* a topic that is not reported missing for so long is there */

struct topic {
    struct topic *next_in_bucket;
    char *name;
    rd_kafka_topic_t *handle;
    bool there;
    bool asked;         /* a creation is on its way */
    bool not_created;   /* the broker refuses to create it */
    int64_t missing_ms; /* monotonic: since when it is missing, and the last report */
    int64_t last_missing_ms;
    struct fr_delivery *first, *last; /* waiting, by plugin_data */
};

struct fr_topics {
    struct fr_sink *sink;
    const struct fr_host *host;
    rd_kafka_t *producer;
    rd_kafka_queue_t *events;
    fr_topics_produce_fn *produce;
    void *ctx;
    struct event *again;
    struct topic topics[TOPICS_MAX];
    size_t count;
    struct topic *buckets[BUCKETS];
};

static int64_t topics_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The delivery waits until its topic is there. */
static void topics_park(struct topic *topic, struct fr_delivery *d)
{
    d->plugin_data = NULL;
    if (topic->first == NULL)
        topic->first = d;
    else
        topic->last->plugin_data = d;
    topic->last = d;
}

/* Produce what waits for a topic, or give it back. A topic may turn out to be missing meanwhile. */
static void let_go(struct fr_topics *t, struct topic *topic, bool produce)
{
    struct fr_delivery *d = topic->first;

    topic->first = topic->last = NULL;
    while (d != NULL) {
        struct fr_delivery *next = d->plugin_data;

        d->plugin_data = NULL;
        if (!produce)
            t->host->done(t->sink, d, FR_RETRY);
        else if (topic->there)
            t->produce(t->ctx, topic->handle, d);
        else
            topics_park(topic, d);
        d = next;
    }
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
    uint32_t hash = 2166136261u;

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return (hash ^ hash >> 16) & (BUCKETS - 1);
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
        break;
    default:
        t->host->log(t->sink, FR_LOG_INFO, "topic %s: %s; trying again", topic->name,
                     rd_kafka_err2str(err));
        if (!event_pending(t->again, EV_TIMEOUT, NULL))
            event_add(t->again, &(struct timeval){AGAIN_S, 0});
        return;
    }
    topic->there = true;
    let_go(t, topic, true);
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

bool fr_topics_missing(struct fr_topics *t, const char *name, struct fr_delivery *d)
{
    struct topic *topic = find(t, name);
    int64_t now = topics_now_ms();
    bool again;

    if (topic == NULL || topic->not_created || t->host->number(t->sink, "create_topics") == 0)
        return false;
    again = topic->last_missing_ms != 0 && now - topic->last_missing_ms < WELL_MS;
    if (!again)
        topic->missing_ms = now;
    topic->last_missing_ms = now;
    topic->there = false;
    if (!event_pending(t->again, EV_TIMEOUT, NULL))
        event_add(t->again, &(struct timeval){0, again ? LOOK_MS * 1000 : 0});
    if (now - topic->missing_ms >= MISSING_MAX_MS)
        return false;
    topics_park(topic, d);
    return true;
}

static void try_again(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_topics *t = ctx;

    (void)fd, (void)what;
    for (size_t i = 0; i < t->count; i++)
        if (!t->topics[i].there && !t->topics[i].asked)
            create(t, &t->topics[i]);
}

/* ---- use ------------------------------------------------------------------------- */

static struct topic *add(struct fr_topics *t, const char *name)
{
    struct topic *topic = &t->topics[t->count];

    if (t->count == TOPICS_MAX)
        return NULL;
    *topic = (struct topic){.name = strdup(name)};
    topic->handle = rd_kafka_topic_new(t->producer, name, NULL);
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
    if (topic->there) {
        t->produce(t->ctx, topic->handle, delivery);
        return;
    }
    topics_park(topic, delivery);
}

struct fr_topics *fr_topics_new(struct fr_sink *sink, const struct fr_host *host,
                                rd_kafka_t *producer, rd_kafka_queue_t *events,
                                fr_topics_produce_fn *produce, void *ctx)
{
    struct fr_topics *t = calloc(1, sizeof *t);

    if (t == NULL)
        return NULL;
    t->sink = sink;
    t->host = host;
    t->producer = producer;
    t->events = events;
    t->produce = produce;
    t->ctx = ctx;
    t->again = event_new(host->event_base(sink), -1, 0, try_again, t);
    if (t->again == NULL) {
        free(t);
        return NULL;
    }
    return t;
}

void fr_topics_free(struct fr_topics *t)
{
    for (size_t i = 0; i < t->count; i++) {
        let_go(t, &t->topics[i], false);
        rd_kafka_topic_destroy(t->topics[i].handle);
        free(t->topics[i].name);
    }
    event_free(t->again);
    free(t);
}
