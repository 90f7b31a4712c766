/* sink_state.h - what a sink consists of; for the files of this folder only. */
#ifndef FR_SINK_STATE_H
#define FR_SINK_STATE_H

#include <event2/event.h>
#include <pthread.h>
#include <semaphore.h>

#include "record/acknowledge.h"
#include "record/field_catalogue.h"
#include "sink/latest.h"
#include "sink/sink.h"
#include "util/buffer.h"

/* A record that the sink took, until all its deliveries are finished and none of its values waits
 * for a window. */
struct item {
    struct fr_record *record; /* counted; NULL: read from the journal, and through the routes */
    uint64_t seq;             /* the record's */
    uint32_t unfinished;
    bool ack;
    bool refused;
    bool counted; /* stands for an entry of the queue, not for a window that closed */
    bool linked;  /* in the list of those read from the journal */
    struct item *before, *behind; /* in the order of the journal; `behind` also links spare ones */
};

struct delivery {
    struct fr_delivery public; /* first: the plugin's pointer is ours */
    struct item *item;
    struct fr_record *record;   /* counted: what `public` points into */
    struct fr_routing *routing; /* what names and units in `public` belong to */
    struct fr_latest_slot *slot;
    uint64_t order; /* in which it was made */
    size_t size;
    unsigned refusals;
    int64_t due_ms;        /* fr_emission.due_ms */
    int64_t expires_ms;    /* fr_emission.expires_ms */
    struct fr_buffer text; /* JSON */
    char name[FR_FIELD_NAME_SIZE];
    char field_name[FR_FIELD_NAME_SIZE]; /* of a field that the catalogue does not know */
    struct delivery *next;               /* among spare ones or those to be retried */
    struct delivery *before, *behind;    /* among all that are unfinished */
};

struct fr_sink {
    struct fr_server_config *config; /* counted: what `settings` points into */
    struct fr_sink_config settings;
    const struct fr_plugin *plugin;
    struct fr_options *options;
    struct fr_diagnostics *diagnostics; /* while options are being checked */
    void *state;
    char *state_dir; /* NULL: the plugin did not ask for it */
    struct fr_sink_house house;
    struct fr_sink_queue *queue; /* without a journal */
    struct fr_cursor *cursor;    /* with one */
    _Atomic uint64_t read_next;  /* the first record not read; changed by the thread alone */
    struct item *first_item, *last_item;
    uint64_t repeated_below; /* records below may have been delivered before */
    struct fr_program *program;
    size_t in_flight_most;
    bool restores;

    pthread_t thread;
    bool running;
    struct event_base *base;
    int wake;
    struct event *wake_event, *take_timer, *window_timer, *retry_timer, *after_event;
    _Atomic bool woken;
    _Atomic bool stop;
    _Atomic bool ending; /* the windows are closed once, then nothing more is taken */
    _Atomic bool windows_closed;
    _Atomic unsigned drains_wanted, drains_done;
    _Atomic uint64_t rewind_to; /* UINT64_MAX: nowhere */
    _Atomic bool restore_wanted;
    int64_t last_take_ms;
    bool take_later;
    int64_t window_timer_ms; /* monotonic: when window_timer fires; -1: it is not pending */
    sem_t opened;            /* the plugin is open, or could not be */

    _Atomic size_t in_flight;       /* deliveries; changed by the sink's thread alone */
    _Atomic size_t in_flight_bytes; /* of records; of those that do not wait in `latest` */
    _Atomic size_t in_plugin;       /* handed over and not answered */
    uint64_t done_seq;              /* the newest record of which something was delivered */
    size_t waiting;                 /* in `latest` */
    uint64_t orders;
    uint64_t expired; /* deliveries that became too old before the plugin had them */
    struct fr_delivery **batch;
    size_t batch_count, batch_room;
    struct item *emitting; /* the item whose record runs through the program, without a journal */
    struct delivery *retry_first, *retry_last; /* by order */
    bool retry_ready; /* the pause is over; once the plugin has nothing in its hands */
    int64_t retry_pause_ms;
    struct fr_latest *latest; /* NULL: every delivery counts */
    struct fr_latest_slot *queued_first, *queued_last;
    struct item *spare_items;
    struct delivery *spare_deliveries;
    struct delivery *unfinished, *last_unfinished; /* in the order in which they were made */
    struct fr_buffer json;                         /* what host->json() returned */
    struct fr_ack_batch acks;
    size_t finished_records, finished_bytes;
    bool after_pending;

    int64_t log_minute; /* when the present minute of the plugin's log lines began */
    unsigned log_lines; /* in it */

    pthread_mutex_t status_lock; /* of what follows */
    enum fr_health health;
    char why[256], last_error[256];
    int64_t last_error_ms;
    struct fr_program_counts program_counts;
    struct fr_routing *new_routing; /* to be followed; NULL: none */
    size_t new_place;

    _Atomic int64_t oldest_due_ms; /* wall clock: when the oldest delivery was due; 0: none */
    _Atomic int64_t next_close_ms; /* monotonic: when the next window closes; -1: none is open */
    _Atomic int64_t progress_ms; /* monotonic: when something was delivered, or nothing was left */
    _Atomic uint64_t taken, delivered, retried, refused, dead_letters, dropped, replaced;
    _Atomic uint64_t delays[FR_DELAY_CLASSES];
    _Atomic uint64_t delay_sum_ms;
};

/* delivery.c: the routing program emits something; a delivery of it joins the batch. */
void fr_delivery_emit(void *ctx, const struct fr_emission *emission);

/* Make an item of a record; the reference passes to it. Linked items are in journal order. */
struct item *fr_item_new(struct fr_sink *sink, struct fr_record *record, bool ack, bool counted);
void fr_item_link(struct fr_sink *sink, struct item *item);

/* Drop the reference of a linked item: its deliveries and windows have their own, and a value that
 * waits for its window must not keep a whole record in memory. */
void fr_item_drop_record(struct item *item);

/* One part more or less of an item is unfinished. The last release confirms its record and frees
 * it. These are fr_program_watch's callbacks, with items as origins; ctx is the sink. */
void fr_item_acquire(void *ctx, void *item);
void fr_item_release(void *ctx, void *item);

/* Hand the batch to the plugin, without the deliveries that became too old for their route. */
void fr_deliveries_hand_over(struct fr_sink *sink);

/* Put what waits for another try into the batch again. */
void fr_deliveries_retry(struct fr_sink *sink);

/* Put the newest values that wait in `latest` into the batch. */
void fr_deliveries_take_latest(struct fr_sink *sink);

/* Finish all deliveries that the plugin does not have; the sink rewinds. */
void fr_deliveries_abandon(struct fr_sink *sink);

/* The plugin's word on a delivery. */
void fr_delivery_done(struct fr_sink *sink, struct fr_delivery *delivery, enum fr_outcome outcome);

/* Free them all, those that the plugin never answered too: their records stay unconfirmed. */
void fr_deliveries_free(struct fr_sink *sink);

/* sink_thread.c: make the events; then run until fr_sink.stop. */
int fr_sink_thread_prepare(struct fr_sink *sink, struct fr_error *error);
void *fr_sink_thread(void *sink);

/* Wake the thread; `always` even if it was woken already. */
void fr_sink_wake(struct fr_sink *sink, bool always);

/* Run what follows answered deliveries after the present event. */
void fr_sink_schedule_after(struct fr_sink *sink);

/* plugin_host.c: what a plugin may call. */
extern const struct fr_host fr_plugin_host;

#endif
