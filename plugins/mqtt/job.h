/*
 * job.h - a delivery on its way to the broker: what is still to be published for it, and how many
 * of its messages the broker has not confirmed.
 *
 * The jobs of a vehicle are published in the order in which they came; vehicles take turns, a step
 * each. A turn of the event loop has at most JOB_TURN_STEPS steps, and only while the broker has
 * capacity. A delivery of a hundred thousand messages neither blocks the sink's thread, nor fills memory
 * with them, nor delays other vehicles.
 */
#ifndef FR_MQTT_JOB_H
#define FR_MQTT_JOB_H

#include "fleetroute/plugin.h"

#define JOB_TURN_STEPS 64

struct record_messages;
struct fr_ha_vehicle;

struct job {
    struct job *next; /* of the same vehicle */
    struct fr_delivery *delivery;
    size_t unconfirmed;      /* messages that were published for it and are not confirmed */
    bool produced;           /* nothing more will be published for it */
    bool retry;              /* a message was lost: the delivery is answered FR_RETRY */
    bool lost;               /* one that the broker may have, as the connection was lost */
    bool repeated;           /* the same for the try before: the record gets its mark */
    enum fr_outcome outcome; /* unless `retry`: FR_DONE; FR_FAILED or FR_REFUSED with `why` */
    char why[160];

    /* The producer's own. */
    bool begun;
    struct fr_ha_vehicle *vehicle;
    struct record_messages *messages;
};

struct job_events {
    /* Publish what goes before deliveries. True: something was done, call again. */
    bool (*background)(void *ctx);
    /* Whether deliveries may be published now. */
    bool (*ready)(void *ctx);
    /* Whether the broker takes another message now. */
    bool (*has_capacity)(void *ctx);
    /* Publish the next messages of a job. True: that was all. */
    bool (*produce)(void *ctx, struct job *job);
};

struct job_queue;

/* NULL: no memory. */
struct job_queue *job_queue_new(struct fr_sink *sink, const struct fr_host *host,
                                const struct job_events *events, void *ctx);

/* Jobs that are left are freed without an answer. NULL is allowed. */
void job_queue_free(struct job_queue *queue);

/* Take over a delivery; it is answered when all of it is confirmed. */
void job_enqueue(struct job_queue *queue, struct fr_delivery *delivery);

/* Publish now, for one turn. Not from within a callback of libmosquitto. */
void job_queue_run(struct job_queue *queue);

/* Publish in the next turn of the event loop: there is something new, or capacity again. */
void job_queue_wake(struct job_queue *queue);

/* The connection is gone: jobs that are not published yet are answered FR_RETRY. */
void job_queue_lost(struct job_queue *queue);

/* The delivery fails: FR_FAILED or FR_REFUSED, with the reason and the remedy, which are copied. The
 * first failure of a job counts. */
void job_fail(struct job *job, enum fr_outcome outcome, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One message more, and one that is confirmed or failed (the flags were set before). */
void job_sent(struct job *job);
void job_confirmed(struct job_queue *queue, struct job *job);

/* As job_confirmed(), but the sink ends: nothing is answered. */
void job_abandon(struct job *job);

#endif
