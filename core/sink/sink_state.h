/* sink_state.h - what a sink consists of; for the files of this folder only. */
#ifndef FR_SINK_STATE_H
#define FR_SINK_STATE_H

#include <event2/event.h>
#include <pthread.h>
#include <semaphore.h>

#include "record/acknowledge.h"
#include "record/field_catalogue.h"
#include "sink/sink.h"
#include "util/buffer.h"

#define FR_SINK_LISTENERS_MAX 64

/* A record in the sink's hands, until all its deliveries are finished. */
struct item {
    struct fr_record *record;
    uint32_t unfinished;
    bool ack;
    bool refused;
    bool counted; /* stands for an entry of the queue, not for a window that closed */
    struct item *next;
};

struct delivery {
    struct fr_delivery public; /* first: the plugin's pointer is ours */
    struct item *item;
    struct fr_buffer text; /* JSON */
    char name[FR_FIELD_NAME_SIZE];
    struct delivery *next;            /* among spare ones or those to be retried */
    struct delivery *before, *behind; /* among all that are unfinished */
};

struct fr_sink {
    struct fr_sink_settings settings;
    const struct fr_plugin *plugin;
    struct fr_options *options;
    struct fr_diagnostics *diagnostics; /* while options are being checked */
    void *state;
    struct fr_sink_queue *queue;
    struct fr_program *program;
    size_t in_flight_most;

    pthread_t thread;
    bool running;
    struct event_base *base;
    int wake;
    struct event *wake_event, *take_timer, *window_timer, *retry_timer, *after_event;
    _Atomic bool woken;
    _Atomic bool stop;
    _Atomic unsigned drains_wanted, drains_done;
    int64_t last_take_ms;
    bool take_later;
    sem_t opened; /* the plugin is open, or could not be */

    struct {
        void (*room)(void *ctx);
        void *ctx;
    } listeners[FR_SINK_LISTENERS_MAX];
    size_t listener_count;

    _Atomic size_t in_flight; /* deliveries; changed by the sink's thread alone */
    struct fr_delivery **batch;
    size_t batch_count, batch_room;
    struct item *emitting; /* the item whose record runs through the program */
    struct delivery *retry_first, *retry_last;
    int64_t retry_pause_ms;
    struct item *spare_items;
    struct delivery *spare_deliveries;
    struct delivery *unfinished;
    struct fr_buffer json; /* what host->json() returned */
    struct fr_ack_batch acks;
    size_t finished_records, finished_bytes;
    bool after_pending;

    int64_t log_minute; /* when the present minute of the plugin's log lines began */
    unsigned log_lines; /* in it */

    pthread_mutex_t status_lock; /* of health and why, and of counts */
    enum fr_health health;
    char why[256];
    struct fr_program_counts program_counts;
    _Atomic uint64_t taken, delivered, retried, refused, dropped;
};

/* delivery.c: the routing program emits something; a delivery of it joins the batch. */
void fr_delivery_emit(void *ctx, const struct fr_emission *emission);

/* Take a record in hand; fr_item_release lets go when nothing of it is unfinished. */
struct item *fr_item_new(struct fr_sink *sink, struct fr_record *record, bool ack, bool counted);
void fr_item_release(struct fr_sink *sink, struct item *item);

/* Hand the batch to the plugin. */
void fr_deliveries_hand_over(struct fr_sink *sink);

/* Put what waits for another try into the batch again. */
void fr_deliveries_retry(struct fr_sink *sink);

/* The plugin's word on a delivery. */
void fr_delivery_done(struct fr_sink *sink, struct fr_delivery *delivery, enum fr_outcome outcome);

/* Free them all, those that the plugin never answered too: their records stay unconfirmed. */
void fr_deliveries_free(struct fr_sink *sink);

/* sink.c: run what follows finished deliveries behind the present event. */
void fr_sink_schedule_after(struct fr_sink *sink);

/* plugin_host.c: what a plugin may call. */
extern const struct fr_host fr_plugin_host;

#endif
