#include "mqtt/job.h"

#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text_hash.h"

#define FLOW_BUCKETS 1024 /* a power of two */

/* The jobs of one vehicle, in order of arrival. A flow exists while it has jobs. */
struct flow {
    struct flow *next_in_bucket;
    struct flow *next; /* in the ring */
    struct job *first, *last;
};

struct job_queue {
    struct fr_sink *sink;
    const struct fr_host *host;
    const struct job_events *events;
    void *ctx;
    struct flow *last; /* of the ring; last->next has the next step. NULL: no jobs */
    struct flow *buckets[FLOW_BUCKETS];
    struct event *turn;
};

/* Value of plugin_data that marks a delivery with `lost` until its next attempt. Never written. */
static char job_published_before;

/* ---- one job --------------------------------------------------------------------- */

static void job_free(struct job_queue *queue, struct job *job)
{
    queue->events->release(job);
    free(job);
}

static void job_complete(struct job_queue *queue, struct job *job)
{
    struct fr_delivery *delivery = job->delivery;

    if (!job->produced || job->unconfirmed != 0)
        return;
    delivery->plugin_data =
        job->retry && (job->lost || job->repeated) ? &job_published_before : NULL;
    /* A refusal counts more than a loss: mosquitto 2.0.11 disconnects after a refusal, so that each
     * attempt would lose the other messages of the delivery. */
    if (job->outcome == FR_DONE)
        queue->host->done(queue->sink, delivery, job->retry ? FR_RETRY : FR_DONE);
    else
        queue->host->fail(queue->sink, delivery, job->outcome, "%s", job->why);
    job_free(queue, job);
}

void job_fail(struct job *job, enum fr_outcome outcome, const char *format, ...)
{
    va_list ap;

    if (job->outcome != FR_DONE)
        return;
    job->outcome = outcome;
    va_start(ap, format);
    vsnprintf(job->why, sizeof job->why, format, ap);
    va_end(ap);
}

void job_sent(struct job *job)
{
    job->unconfirmed++;
}

void job_confirmed(struct job_queue *queue, struct job *job)
{
    job->unconfirmed--;
    job_complete(queue, job);
}

void job_abandon(struct job_queue *queue, struct job *job)
{
    job->unconfirmed--;
    if (job->produced && job->unconfirmed == 0)
        job_free(queue, job);
}

/* ---- flows ----------------------------------------------------------------------- */

static const char *job_flow_vin(const struct flow *flow)
{
    return flow->first->delivery->vin;
}

static struct flow **job_flow_bucket(struct job_queue *queue, const char *vin)
{
    return &queue->buckets[fr_text_hash(vin) & (FLOW_BUCKETS - 1)];
}

/* Append a job to the flow of its vehicle. False: no memory. */
static bool job_flow_append(struct job_queue *queue, struct job *job)
{
    struct flow **bucket = job_flow_bucket(queue, job->delivery->vin), *flow = *bucket;

    while (flow != NULL && strcmp(job_flow_vin(flow), job->delivery->vin) != 0)
        flow = flow->next_in_bucket;
    if (flow != NULL) {
        flow->last->next = job;
        flow->last = job;
        return true;
    }
    flow = malloc(sizeof *flow);
    if (flow == NULL)
        return false;
    *flow = (struct flow){.next_in_bucket = *bucket, .first = job, .last = job};
    *bucket = flow;
    flow->next = queue->last != NULL ? queue->last->next : flow;
    if (queue->last != NULL)
        queue->last->next = flow;
    queue->last = flow;
    return true;
}

static void job_flow_free(struct job_queue *queue, struct flow *flow, const char *vin)
{
    struct flow **at = job_flow_bucket(queue, vin);

    while (*at != flow)
        at = &(*at)->next_in_bucket;
    *at = flow->next_in_bucket;
    if (flow->next == flow)
        queue->last = NULL;
    else
        queue->last->next = flow->next;
    free(flow);
}

/* Remove the first job of the flow that has the next step. */
static struct job *job_dequeue(struct job_queue *queue)
{
    struct flow *flow = queue->last->next;
    struct job *job = flow->first;

    flow->first = job->next;
    job->next = NULL;
    if (flow->first == NULL)
        job_flow_free(queue, flow, job->delivery->vin);
    else
        queue->last = flow; /* continue with the next vehicle */
    return job;
}

/* ---- the queue ------------------------------------------------------------------- */

/* Run one step. False: nothing to do, or no capacity. */
static bool job_queue_step(struct job_queue *queue)
{
    const struct job_events *events = queue->events;
    struct flow *flow;

    if (!events->has_capacity(queue->ctx))
        return false;
    if (events->background(queue->ctx))
        return true;
    if (queue->last == NULL || !events->ready(queue->ctx))
        return false;
    flow = queue->last->next;
    if (events->produce(queue->ctx, flow->first)) {
        struct job *job = job_dequeue(queue);

        job->produced = true;
        job_complete(queue, job);
    } else
        queue->last = flow;
    return true;
}

void job_queue_run(struct job_queue *queue)
{
    for (int i = 0; i < JOB_TURN_STEPS; i++)
        if (!job_queue_step(queue))
            return;
    job_queue_wake(queue);
}

static void job_queue_turn(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    job_queue_run(ctx);
}

void job_queue_wake(struct job_queue *queue)
{
    /* A timer of 0 s instead of event_active(), so that sockets are served between two calls. */
    static const struct timeval now = {0, 0};

    if (!event_pending(queue->turn, EV_TIMEOUT, NULL))
        event_add(queue->turn, &now);
}

void job_enqueue(struct job_queue *queue, struct fr_delivery *delivery)
{
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL) {
        queue->host->done(queue->sink, delivery, FR_RETRY);
        return;
    }
    job->delivery = delivery;
    job->repeated = delivery->plugin_data == &job_published_before;
    delivery->plugin_data = job;
    if (job_flow_append(queue, job))
        return;
    delivery->plugin_data = job->repeated ? &job_published_before : NULL;
    free(job);
    queue->host->done(queue->sink, delivery, FR_RETRY);
}

void job_queue_lost(struct job_queue *queue)
{
    while (queue->last != NULL) {
        struct job *job = job_dequeue(queue);

        job->retry = job->produced = true;
        job_complete(queue, job);
    }
}

/* ---- creation -------------------------------------------------------------------- */

static void job_flows_free(struct job_queue *queue, struct flow *flow)
{
    struct flow *next;

    for (; flow != NULL; flow = next) {
        struct job *job = flow->first, *after;

        for (; job != NULL; job = after) {
            after = job->next;
            job_free(queue, job);
        }
        next = flow->next_in_bucket;
        free(flow);
    }
}

void job_queue_free(struct job_queue *queue)
{
    if (queue == NULL)
        return;
    for (size_t i = 0; i < FLOW_BUCKETS; i++)
        job_flows_free(queue, queue->buckets[i]);
    if (queue->turn != NULL)
        event_free(queue->turn);
    free(queue);
}

struct job_queue *job_queue_new(struct fr_sink *sink, const struct fr_host *host,
                                const struct job_events *events, void *ctx)
{
    struct job_queue *queue = calloc(1, sizeof *queue);

    if (queue == NULL)
        return NULL;
    queue->sink = sink;
    queue->host = host;
    queue->events = events;
    queue->ctx = ctx;
    queue->turn = event_new(host->event_base(sink), -1, 0, job_queue_turn, queue);
    if (queue->turn != NULL)
        return queue;
    free(queue);
    return NULL;
}
