#include "mqtt/job.h"

#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "mqtt/record_messages.h"

struct job_queue {
    struct fr_sink *sink;
    const struct fr_host *host;
    const struct job_events *events;
    void *ctx;
    struct job *first, *last;
    struct event *turn;
};

/* The plugin_data of a delivery that the broker may have, while fleetroute keeps it for another try. */
static char job_published_before;

/* ---- one job --------------------------------------------------------------------- */

static void job_free(struct job *job)
{
    record_messages_free(job->messages);
    free(job);
}

static void job_complete(struct job_queue *queue, struct job *job)
{
    struct fr_delivery *delivery = job->delivery;

    if (!job->produced || job->unconfirmed != 0)
        return;
    delivery->plugin_data =
        job->retry && (job->lost || job->repeated) ? &job_published_before : NULL;
    if (job->retry || job->outcome == FR_DONE)
        queue->host->done(queue->sink, delivery, job->retry ? FR_RETRY : FR_DONE);
    else
        queue->host->fail(queue->sink, delivery, job->outcome, "%s", job->why);
    job_free(job);
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

void job_abandon(struct job *job)
{
    job->unconfirmed--;
    if (job->produced && job->unconfirmed == 0)
        job_free(job);
}

/* ---- the queue ------------------------------------------------------------------- */

static struct job *job_dequeue(struct job_queue *queue)
{
    struct job *job = queue->first;

    queue->first = job->next;
    if (queue->first == NULL)
        queue->last = NULL;
    job->next = NULL;
    return job;
}

/* One step; false: there is nothing to do, or no capacity. */
static bool job_queue_step(struct job_queue *queue)
{
    const struct job_events *events = queue->events;

    if (!events->has_capacity(queue->ctx))
        return false;
    if (events->background(queue->ctx))
        return true;
    if (queue->first == NULL || !events->ready(queue->ctx))
        return false;
    if (events->produce(queue->ctx, queue->first)) {
        struct job *job = job_dequeue(queue);

        job->produced = true;
        job_complete(queue, job);
    }
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
    /* A timer of 0 s, not event_active(): sockets are looked at between two turns. */
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
    if (queue->last != NULL)
        queue->last->next = job;
    else
        queue->first = job;
    queue->last = job;
}

void job_queue_lost(struct job_queue *queue)
{
    while (queue->first != NULL) {
        struct job *job = job_dequeue(queue);

        job->retry = job->produced = true;
        job_complete(queue, job);
    }
}

/* ---- life ------------------------------------------------------------------------ */

void job_queue_free(struct job_queue *queue)
{
    if (queue == NULL)
        return;
    while (queue->first != NULL)
        job_free(job_dequeue(queue));
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
