/*
 * A job is a delivery that is being published. It counts the messages that the broker has not
 * confirmed.
 *
 * The jobs of a vehicle are published in their order of arrival. Vehicles take turns with one step
 * each. One iteration of the event loop runs at most JOB_TURN_STEPS steps, and only while the
 * broker has capacity. Therefore a delivery of 100,000 messages does not block the sink's thread,
 * does not hold all its messages in memory and does not delay other vehicles.
 *
 * All functions and callbacks run on the sink's thread.
 */
#ifndef FR_MQTT_JOB_H
#define FR_MQTT_JOB_H

#include "fleetroute/plugin.h"

#define JOB_TURN_STEPS 64

struct record_messages;
struct fr_ha_vehicle;
struct fr_car;

struct job {
    struct job *next; /* of the same vehicle */
    struct fr_delivery *delivery;
    size_t unconfirmed;      /* messages that were published and not confirmed */
    bool produced;           /* all messages were published */
    bool retry;              /* a message was lost: answer FR_RETRY */
    bool lost;               /* the connection was lost; the broker may have the lost message */
    bool repeated;           /* `lost` was set in an earlier attempt: the record gets a mark */
    enum fr_outcome outcome; /* FR_DONE; FR_FAILED or FR_REFUSED with `why`, also if `retry` */
    char why[160];

    /* Used by produce(). */
    bool begun;
    struct fr_ha_vehicle *vehicle;
    size_t next_alert; /* index of the next alert that may be an event */
    struct fr_car *car;
    uint64_t published[2]; /* bits of the topics of `car` */
    uint32_t source;       /* what the delivery is about; 0: not set */
    struct record_messages *messages;
    size_t next_message; /* index for host->tesla_message() */
};

struct job_events {
    /* Publish what precedes deliveries. True: progress was made; call again. */
    bool (*background)(void *ctx);
    /* Whether deliveries may be published now. */
    bool (*ready)(void *ctx);
    /* Whether the broker has capacity for another message. */
    bool (*has_capacity)(void *ctx);
    /* Publish the next messages of a job. True: the job is complete. */
    bool (*produce)(void *ctx, struct job *job);
    /* Free what produce() stored in a job that is about to be freed. */
    void (*release)(struct job *job);
};

struct job_queue;

/* Create a queue. `events` and `ctx` must outlive it. NULL: no memory. */
struct job_queue *job_queue_new(struct fr_sink *sink, const struct fr_host *host,
                                const struct job_events *events, void *ctx);

/* Free the queue and its jobs without answering them. NULL is allowed. */
void job_queue_free(struct job_queue *queue);

/* Add a delivery. It is answered when all its messages are confirmed; without memory, FR_RETRY
 * now. */
void job_enqueue(struct job_queue *queue, struct fr_delivery *delivery);

/* Publish up to JOB_TURN_STEPS steps now. Not allowed in a callback of libmosquitto. */
void job_queue_run(struct job_queue *queue);

/* Publish in the next iteration of the event loop. Allowed in any callback. */
void job_queue_wake(struct job_queue *queue);

/* The connection is lost: answer jobs that are not completely published FR_RETRY. */
void job_queue_lost(struct job_queue *queue);

/* Set the outcome FR_FAILED or FR_REFUSED with a reason and a remedy, which are copied. Only the
 * first call for a job has an effect. */
void job_fail(struct job *job, enum fr_outcome outcome, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Count a published message, and one that was confirmed or failed. In the latter case, set the
 * flags of the job before. job_confirmed() may free the job. */
void job_sent(struct job *job);
void job_confirmed(struct job_queue *queue, struct job *job);

/* As job_confirmed(), without an answer, because the sink closes. */
void job_abandon(struct job_queue *queue, struct job *job);

#endif
