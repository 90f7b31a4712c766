/*
 * The source plugin in kafka.so: consumes the topics that kafka.so or Tesla's server writes.
 *
 * An offset is committed only after the journal has stored the record. After a crash some records
 * are read again, and the journal recognizes them as repeated; no record is lost.
 * The last minutes of the presence are read again after each assignment (kafka_history.h).
 *
 * Everything here runs on the source's thread. librdkafka's own threads report messages through a
 * queue and an eventfd.
 */
#include <errno.h>
#include <event2/event.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock_ms.h"
#include "fleetroute/plugin.h"
#include "kafka_consumer_conf.h"
#include "kafka_history.h"
#include "kafka_record.h"

#define MESSAGES_PER_PASS 1000
#define PENDING_INITIAL 1024
#define HOUSEKEEPING_MS 500 /* interval in which the consumer is polled without messages */
#define CLOSE_MAX_MS 1500   /* to commit offsets and leave the group */
#define CLOSE_STEP_MS 20
#define TICKS_PER_PROBE 4 /* housekeeping ticks between two probes for a broker */
#define PROBE_TIMEOUT_MS 200
#define PROBES_FAILED_MAX 3 /* consecutive failed probes after which Kafka is reported down */

/* A submitted message, in the order of submission. A skipped message is kept, too: its offset may
 * be stored only after the records before it are stored. */
struct pending {
    rd_kafka_message_t *message;
    bool skipped;
};

struct kafka_source {
    struct fr_source *handle; /* for calls of `host` */
    const struct fr_source_host *host;
    rd_kafka_t *consumer;
    rd_kafka_queue_t *queue;
    int wake; /* eventfd: librdkafka has queued a message */
    struct event *wake_event, *timer;
    const char *prefix; /* of a topic's name, before the record type */
    size_t prefix_len;
    rd_kafka_message_t *paused; /* to be submitted when the journal has capacity; NULL: none */
    struct pending *pending;    /* a ring buffer of `capacity` entries */
    size_t capacity, first, count;
    struct fr_kafka_history history;
    bool drained; /* the last pass has submitted all messages that were received */
    bool up;      /* reported as FR_HEALTH_UP */
    /* A connection was lost. librdkafka does not always report the loss of the last one, so a probe
     * is needed. */
    bool doubt;
    unsigned probes_failed; /* consecutive */
    unsigned ticks;
};

/* ---- offsets --------------------------------------------------------------------- */

static bool source_add_pending(struct kafka_source *source, rd_kafka_message_t *m, bool skipped)
{
    if (source->count == source->capacity) {
        struct pending *ring = calloc(source->capacity * 2, sizeof *ring);

        if (ring == NULL)
            return false;
        for (size_t k = 0; k < source->count; k++)
            ring[k] = source->pending[(source->first + k) % source->capacity];
        free(source->pending);
        source->pending = ring;
        source->capacity *= 2;
        source->first = 0;
    }
    source->pending[(source->first + source->count++) % source->capacity] =
        (struct pending){m, skipped};
    return true;
}

static void source_store_offset(struct kafka_source *source, rd_kafka_message_t *m)
{
    rd_kafka_resp_err_t err = rd_kafka_offset_store(m->rkt, m->partition, m->offset);

    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) /* the partition was reassigned */
        source->host->log(source->handle, FR_LOG_DEBUG, "offset not stored: %s",
                          rd_kafka_err2str(err));
    rd_kafka_message_destroy(m);
}

static rd_kafka_message_t *source_remove_oldest(struct kafka_source *source)
{
    rd_kafka_message_t *m = source->pending[source->first].message;

    source->first = (source->first + 1) % source->capacity;
    source->count--;
    return m;
}

static void source_store_skipped_offsets(struct kafka_source *source)
{
    while (source->count != 0 && source->pending[source->first].skipped)
        source_store_offset(source, source_remove_oldest(source));
}

static void source_stored(void *state, size_t count)
{
    struct kafka_source *source = state;

    for (; count > 0 && source->count > 0; count--) {
        source_store_skipped_offsets(source);
        if (source->count != 0)
            source_store_offset(source, source_remove_oldest(source));
    }
    source_store_skipped_offsets(source);
}

/* ---- consuming ------------------------------------------------------------------- */

static void source_report_error(struct kafka_source *source, rd_kafka_resp_err_t err,
                                const char *text)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        break;
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
        source->up = false;
        source->host->health(source->handle, FR_HEALTH_DOWN,
                             "%s (check `brokers:` and whether Kafka runs)", text);
        break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        source->host->health(source->handle, FR_HEALTH_DEGRADED, "no topic %.*s* exists yet",
                             (int)source->prefix_len, source->prefix);
        break;
    default:
        source->doubt = true;
        source->host->log(source->handle, FR_LOG_INFO, "Kafka: %s", text);
        break;
    }
}

/* librdkafka's error callback, for errors that belong to no message. Called while polling. */
static void source_error_callback(rd_kafka_t *consumer, int err, const char *reason, void *ctx)
{
    (void)consumer;
    source_report_error(ctx, (rd_kafka_resp_err_t)err, reason);
}

static void source_report_up(struct kafka_source *source)
{
    if (source->up)
        return;
    source->up = true;
    source->host->health(source->handle, FR_HEALTH_UP, "consuming");
}

/* Request metadata to find out whether a broker is reachable. Without this, the next message would
 * be the first sign of a recovery. */
/* Whether each partition of the known topics has a leader: without one no statement can arrive. */
static bool source_has_leaders(const struct rd_kafka_metadata *metadata)
{
    for (int i = 0; i < metadata->topic_cnt; i++)
        for (int j = 0; j < metadata->topics[i].partition_cnt; j++)
            if (metadata->topics[i].partitions[j].leader < 0)
                return false;
    return true;
}

static void source_probe_broker(struct kafka_source *source)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t err;

    if ((source->up && !source->doubt) || ++source->ticks % TICKS_PER_PROBE != 0)
        return;
    err = rd_kafka_metadata(source->consumer, 0, NULL, &metadata, PROBE_TIMEOUT_MS);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        source->doubt = !source_has_leaders(metadata);
        rd_kafka_metadata_destroy(metadata);
        source->probes_failed = 0;
        source_report_up(source);
    } else if (source->up && ++source->probes_failed == PROBES_FAILED_MAX)
        source_report_error(source, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, "no broker answers");
}

/* Submit a message. False: the journal has no capacity; the message is kept in `paused`. */
static bool source_submit_message(struct kafka_source *source, rd_kafka_message_t *m)
{
    bool is_history = fr_kafka_history_has(&source->history, m);
    enum fr_submitted outcome =
        fr_kafka_record_submit(source->handle, source->host, source->prefix_len,
                               is_history ? FR_SUBMISSION_HISTORY : 0, m);

    if (outcome == FR_SUBMIT_AGAIN) {
        source->paused = m;
        return false;
    }
    if (is_history) { /* its offset is committed */
        rd_kafka_message_destroy(m);
        return true;
    }
    if (!source_add_pending(source, m, outcome == FR_SUBMIT_REJECTED))
        rd_kafka_message_destroy(m); /* no memory: the offset is not stored, so it is read again */
    if (outcome == FR_SUBMIT_REJECTED)
        source_store_skipped_offsets(source);
    source_report_up(source);
    return true;
}

static void source_consume(struct kafka_source *source)
{
    source->drained = false;
    if (source->paused != NULL) {
        rd_kafka_message_t *m = source->paused;

        source->paused = NULL;
        if (!source_submit_message(source, m))
            return;
    }
    for (int n = 0; n < MESSAGES_PER_PASS; n++) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(source->consumer, 0);

        if (m == NULL) {
            source->drained = true;
            return;
        }
        if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            source_report_error(source, m->err, rd_kafka_message_errstr(m));
            rd_kafka_message_destroy(m);
        } else if (!source_submit_message(source, m))
            return;
    }
    event_active(source->wake_event, EV_READ, 0);
}

static void source_wakeup(evutil_socket_t fd, short what, void *ctx)
{
    struct kafka_source *source = ctx;
    uint64_t count;

    (void)what;
    if (fd >= 0 && read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        source->host->log(source->handle, FR_LOG_ERROR, "eventfd: %s", strerror(errno));
    source_consume(source);
}

static void source_tick(evutil_socket_t fd, short what, void *ctx)
{
    struct kafka_source *source = ctx;

    source_wakeup(fd, what, ctx);
    source_probe_broker(source);
    if (source->drained && source->up && !source->doubt)
        source->host->up_to_date(source->handle);
}

static void source_on_writable(void *state)
{
    source_consume(state);
}

/* ---- assignment ------------------------------------------------------------------ */

/* Another consumer may have these partitions from now on. */
static void source_end_parts(struct kafka_source *source,
                             const rd_kafka_topic_partition_list_t *partitions)
{
    for (int i = 0; i < partitions->cnt; i++)
        if (fr_kafka_history_concerns(&source->history, partitions->elems[i].topic))
            source->host->part_ended(source->handle, (uint32_t)partitions->elems[i].partition);
}

static void source_log_assignment(struct kafka_source *source, const char *action, const char *why)
{
    source->host->log(source->handle, FR_LOG_WARNING, "cannot %s: Kafka: %s", action, why);
}

/* Change the assignment by `partitions`; at each change without the cooperative protocol, all
 * partitions are assigned, or none. */
static void source_assign(struct kafka_source *source, bool assign,
                          const rd_kafka_topic_partition_list_t *partitions)
{
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_error_t *error = NULL;

    if (strcmp(rd_kafka_rebalance_protocol(source->consumer), "COOPERATIVE") != 0)
        err = rd_kafka_assign(source->consumer, assign ? partitions : NULL);
    else if (assign)
        error = rd_kafka_incremental_assign(source->consumer, partitions);
    else
        error = rd_kafka_incremental_unassign(source->consumer, partitions);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        source_log_assignment(source, "change the partitions", rd_kafka_err2str(err));
    if (error != NULL)
        source_log_assignment(source, "change the partitions", rd_kafka_error_string(error));
    if (error != NULL)
        rd_kafka_error_destroy(error);
}

/* librdkafka's rebalance callback. Called while polling. */
static void source_rebalance(rd_kafka_t *consumer, rd_kafka_resp_err_t event,
                             rd_kafka_topic_partition_list_t *partitions, void *ctx)
{
    struct kafka_source *source = ctx;
    bool assign = event == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;

    source->drained = false;
    if (assign)
        err = fr_kafka_history_rewind(&source->history, consumer, partitions, fr_clock_wall_ms());
    else
        source_end_parts(source, partitions);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        source_log_assignment(source,
                              "read the last minutes of presence again; a vehicle that has moved "
                              "may be reported as away until its front-end reports it again",
                              rd_kafka_err2str(err));
    source_assign(source, assign, partitions);
}

/* ---- open and close -------------------------------------------------------------- */

static int source_subscribe(struct kafka_source *source)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    char pattern[512], *to = pattern;
    rd_kafka_resp_err_t err;

    *to++ = '^';
    for (const char *c = source->prefix;
         c < source->prefix + source->prefix_len && to < pattern + 480; c++) {
        if (strchr(".[]{}()\\*+?^$|", *c) != NULL)
            *to++ = '\\';
        *to++ = *c;
    }
    strcpy(to, "[A-Za-z]+$");
    rd_kafka_topic_partition_list_add(topics, pattern, RD_KAFKA_PARTITION_UA);
    err = rd_kafka_subscribe(source->consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    source->host->log(source->handle, FR_LOG_ERROR, "cannot subscribe to %s: %s", pattern,
                      rd_kafka_err2str(err));
    return -1;
}

static int source_start_consumer(struct kafka_source *source)
{
    static const uint64_t one = 1;
    char why[256];
    int mistakes;
    rd_kafka_conf_t *conf = fr_kafka_consumer_conf(source->handle, source->host, &mistakes);

    rd_kafka_conf_set_opaque(conf, source);
    rd_kafka_conf_set_error_cb(conf, source_error_callback);
    rd_kafka_conf_set_rebalance_cb(conf, source_rebalance);
    if (mistakes == 0)
        source->consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (source->consumer == NULL) {
        if (mistakes == 0)
            source->host->log(source->handle, FR_LOG_ERROR, "librdkafka: %s", why);
        rd_kafka_conf_destroy(conf);
        return -1;
    }
    rd_kafka_poll_set_consumer(source->consumer);
    source->queue = rd_kafka_queue_get_consumer(source->consumer);
    rd_kafka_queue_io_event_enable(source->queue, source->wake, &one, sizeof one);
    return source_subscribe(source);
}

static void *source_destroy_consumer(void *consumer)
{
    rd_kafka_destroy_flags(consumer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return NULL;
}

/* Commit the stored offsets and leave the group. rd_kafka_destroy_flags() waits for an unreachable
 * broker without a limit. After CLOSE_MAX_MS a detached thread calls it. */
static void source_close_consumer(struct kafka_source *source)
{
    rd_kafka_error_t *error;
    pthread_t thread;

    if (source->consumer == NULL)
        return;
    rd_kafka_queue_io_event_enable(source->queue, -1, NULL, 0);
    error = rd_kafka_consumer_close_queue(source->consumer, source->queue);
    if (error != NULL)
        rd_kafka_error_destroy(error);
    for (int waited = 0;
         source->up && waited < CLOSE_MAX_MS && !rd_kafka_consumer_closed(source->consumer);
         waited += CLOSE_STEP_MS) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(source->queue, CLOSE_STEP_MS);

        if (event == NULL)
            continue;
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
            rd_kafka_assign(source->consumer, NULL);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(source->queue);
    if (rd_kafka_consumer_closed(source->consumer))
        source_destroy_consumer(source->consumer);
    else if (pthread_create(&thread, NULL, source_destroy_consumer, source->consumer) == 0)
        pthread_detach(thread);
}

static void source_close_instance(void *state)
{
    struct kafka_source *source = state;

    if (source->paused != NULL)
        rd_kafka_message_destroy(source->paused);
    while (source->count != 0)
        rd_kafka_message_destroy(source_remove_oldest(source));
    source_close_consumer(source);
    if (source->wake_event != NULL)
        event_free(source->wake_event);
    if (source->timer != NULL)
        event_free(source->timer);
    if (source->wake >= 0)
        close(source->wake);
    fr_kafka_history_free(&source->history);
    free(source->pending);
    free(source);
}

static void *source_open_instance(struct fr_source *handle, const struct fr_source_host *host)
{
    struct timeval pause = {0, HOUSEKEEPING_MS * 1000};
    struct kafka_source *source = calloc(1, sizeof *source);

    if (source == NULL)
        return NULL;
    source->handle = handle;
    source->host = host;
    source->prefix = host->text(handle, "topic");
    source->prefix_len = strlen(source->prefix) - strlen("%{type}");
    source->history.prefix_len = source->prefix_len;
    host->health(handle, FR_HEALTH_DEGRADED, "connecting");
    source->capacity = PENDING_INITIAL;
    source->pending = calloc(source->capacity, sizeof *source->pending);
    source->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    source->wake_event = event_new(host->event_base(handle), source->wake, EV_READ | EV_PERSIST,
                                   source_wakeup, source);
    source->timer = event_new(host->event_base(handle), -1, EV_PERSIST, source_tick, source);
    if (source->pending == NULL || source->wake < 0 || source->wake_event == NULL ||
        source->timer == NULL || event_add(source->wake_event, NULL) != 0 ||
        event_add(source->timer, &pause) != 0 || source_start_consumer(source) != 0) {
        source_close_instance(source);
        return NULL;
    }
    return source;
}

static const struct fr_option options[] = {
    {"brokers", FR_OPTION_TEXT, NULL, true, NULL, "comma-separated host:port of some brokers"},
    {"group", FR_OPTION_TEXT, "fleetroute", false, NULL,
     "consumer group; each group reads all records"},
    {"topic", FR_OPTION_TEXT, "tesla_%{type}", false, NULL, "topics to read"},
    {"from", FR_OPTION_CHOICE, "oldest", false, "oldest|now",
     "position at which a new group begins"},
    {"properties", FR_OPTION_MAP, NULL, false, NULL, "librdkafka properties"},
    {0},
};

extern const struct fr_source_plugin fleetroute_source;

const struct fr_source_plugin fleetroute_source = {
    FR_SOURCE_PLUGIN_HEADER,
    .name = "kafka",
    .version = PACKAGE_VERSION,
    .summary = "topics of Apache Kafka, written by fleetroute or by Tesla's server",
    .options = options,
    .check = fr_kafka_consumer_check,
    .open = source_open_instance,
    .stored = source_stored,
    .on_writable = source_on_writable,
    .close = source_close_instance,
};
