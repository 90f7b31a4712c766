/*
 * The state of a sink, divided by job. Only the files of core/sink include this header.
 *
 * Threads: the sink's own thread ("the sink's thread") owns every member. Exceptions, which other
 * threads access: _Atomic members, struct sink_requests and the members of struct sink_health that
 * the lock protects, and sink_input.queue and sink_input.cursor, which do their own locking.
 * Pointers of the configuration do not change while the thread runs.
 */
#ifndef FR_SINK_STATE_H
#define FR_SINK_STATE_H

#include <event2/event.h>
#include <pthread.h>
#include <semaphore.h>

#include "config/diagnostics.h"
#include "config/routing_config.h"
#include "config/server_config.h"
#include "journal/journal.h"
#include "journal/last_values.h"
#include "plugin/host.h"
#include "record/acknowledge.h"
#include "record/field_catalogue.h"
#include "record/record_queue.h"
#include "route/program.h"
#include "sink/sink_types.h"
#include "util/buffer.h"

struct fr_dead_letters;
struct fr_lanes;
struct fr_latest;
struct fr_latest_slot;
struct lane;

/* A received record, from its receipt until all its deliveries are complete and none of its values
 * waits for a window. */
struct item {
    struct fr_record *record; /* one reference; NULL: read from the journal and already routed */
    uint64_t seq;             /* of the record, in the journal */
    uint32_t unfinished;      /* deliveries, plus values that wait for windows, plus callers */
    uint32_t deliveries;      /* the deliveries of these */
    bool ack;                 /* the acknowledgement of the record waits for this sink */
    bool refused;             /* a delivery became a dead letter */
    bool from_queue;          /* its record counts in the queue until the item is complete */
    bool linked;              /* in in_flight.first_item: read from the journal */
    struct item *prev, *next; /* in the order of the journal; `next` also links spare items */
};

/* One delivery, from its creation until fr_delivery_finish(). At any time it is in exactly one of:
 * the batch, the plugin, a latest slot, a lane, the retry list, the ready list, the list of pending
 * dead letters. */
struct delivery {
    struct fr_delivery public; /* first member: the plugin's pointer is converted back */
    struct item *item;
    struct fr_record *record;    /* one reference: `public` points into the record */
    struct fr_routing *routing;  /* one reference: names and units in `public` belong to it */
    struct fr_latest_slot *slot; /* NULL: not subject to `delivery: latest` */
    uint64_t order;              /* of creation */
    size_t size;                 /* bytes that count in in_flight.bytes */
    struct lane *lane;           /* the lane that tries this delivery; NULL: none */
    unsigned failures;           /* FR_FAILED and FR_REFUSED outcomes */
    bool inexpressible;          /* in the format of its route: never passed to the plugin */
    char *reason;                /* of the newest failure; NULL: none */
    int64_t created_ms;          /* monotonic */
    int64_t due_ms;              /* wall clock: fr_emission.due_ms */
    int64_t expires_ms;          /* wall clock: fr_emission.expires_ms */
    struct fr_buffer text;       /* JSON that public.bytes points to */
    const uint8_t *datum;        /* fr_emission.datum: of a value; NULL: its unit was converted */
    size_t datum_len;
    struct fr_tesla_messages *tesla; /* made by the first call of tesla_message(); NULL: none */
    char name[FR_FIELD_NAME_SIZE];
    char field_name[FR_FIELD_NAME_SIZE]; /* of a field that is not in the catalogue */
    struct delivery *next;               /* in its delivery_list, or among spare deliveries */
    struct delivery *prev_unfinished, *next_unfinished; /* in in_flight.first */
};

/* A singly linked list by delivery.next. All zero is empty. */
struct delivery_list {
    struct delivery *first, *last;
};

/* ---- the parts of struct fr_sink ------------------------------------------------- */

/* Where records come from: a cursor of the journal, or a queue. */
struct sink_input {
    struct fr_record_queue *queue; /* always exists; empty with a journal */
    struct fr_cursor *cursor;      /* NULL: no journal */
    _Atomic uint64_t read_next;    /* the first record not read; written by the sink's thread */
    _Atomic uint64_t run_next;     /* the first record not routed; written by the sink's thread */
    uint64_t repeated_below;       /* records with smaller numbers may have been delivered before */
    struct item *current_item;     /* without a journal: the item that is being routed */
    int64_t last_run_ms;           /* monotonic: when records were last received */
    bool limited;                  /* the last run ended because a limit was reached */
};

/* Unfinished items and deliveries. */
struct sink_in_flight {
    size_t max;               /* limit of `count`, without values that wait in latest slots */
    _Atomic size_t count;     /* deliveries; written by the sink's thread */
    _Atomic size_t bytes;     /* of deliveries, without values that wait in latest slots */
    _Atomic size_t in_plugin; /* deliveries passed to the plugin and not answered */
    _Atomic size_t delivering_records;   /* records of the journal with unfinished deliveries */
    _Atomic int64_t oldest_created_ms;   /* monotonic: of `first`; 0: none */
    _Atomic int64_t oldest_due_ms;       /* wall clock: of `first`; 0: none */
    struct delivery *first, *last;       /* all unfinished deliveries, in the order of creation */
    struct item *first_item, *last_item; /* all unfinished items of the journal, in its order */
    uint64_t next_order;                 /* delivery.order of the next delivery */
    uint64_t max_delivered_seq;          /* the newest record with a completed delivery */
    int64_t now_ms;                      /* monotonic: when the program last ran */
    struct fr_ack_batch acks;            /* confirmed since the last after-event */
    size_t completed_records, completed_bytes; /* of the queue, since the last after-event */
    struct item *spare_items;
    struct delivery *spare_deliveries;
    size_t spare_count; /* of spare_deliveries */
};

/* Deliveries that are passed to the plugin next. */
struct sink_batch {
    struct fr_delivery **deliveries;
    size_t count, capacity;
    struct delivery_list ready; /* join the batch in the after-event */
};

/* FR_RETRY: deliveries that wait because the peer is away. */
struct sink_retry {
    struct delivery_list waiting; /* by delivery.order */
    struct event *timer;          /* pending while the pause lasts */
    int64_t pause_ms;             /* length of the next pause; 0: the minimum */
    bool pause_over;              /* retry when in_plugin is 0 */
};

/* `delivery: latest`: values that wait, one for each slot. */
struct sink_latest {
    struct fr_latest *table;                         /* NULL: every value is delivered */
    struct fr_latest_slot *ready_first, *ready_last; /* slots whose value may join the batch */
    size_t waiting;                                  /* values in all slots */
};

/* Deliveries that become dead letters. */
struct sink_dead_letters {
    struct fr_dead_letters *file;
    struct delivery_list pending; /* are written in the after-event */
    bool failing;                 /* the last write failed, and deliveries wait for the next one */
    bool failure_logged;          /* since `failing` was set */
    bool log_pending;             /* the present cause is not logged yet */
    int64_t logged_ms;            /* monotonic: when a failure was last logged; 0: never */
};

/* The sink's thread and its events. */
enum sink_phase {
    SINK_NOT_STARTED,
    SINK_OPENING, /* the plugin's open() runs */
    SINK_OPEN,
    SINK_FAILED, /* the thread did not start, or open() returned NULL and the thread has ended */
    SINK_ENDED   /* the plugin is closed; the thread has ended */
};

struct sink_thread {
    pthread_t id;
    bool joinable;                 /* started and not joined; main thread only */
    _Atomic enum sink_phase phase; /* the sink's thread sets OPEN, FAILED and ENDED */
    int64_t started_ms;            /* monotonic; written before the thread starts */
    sem_t opened;                  /* posted when open() has returned */
    struct event_base *base;
    int wake_fd; /* eventfd; -1: not started */
    struct event *wake_event, *intake_timer, *window_timer, *lane_timer, *after_event;
    int64_t window_timer_ms, lane_timer_ms; /* monotonic: when each fires; -1: not pending */
    _Atomic bool wake_pending;              /* wake_fd is written, and the input not yet read */
    bool intake_delayed;                    /* intake_timer is pending */
    bool after_pending;                     /* after_event is active */
    int64_t rate_ms;    /* monotonic: since when the rate of records is measured */
    uint64_t rate_next; /* number of the journal's next record at that time */
    int64_t gather_ms;  /* in which the records for one run of the intake arrive, without bounds */
};

/* Requests of other threads, and the plugin's request for a restore. */
struct sink_requests {
    _Atomic bool stop;
    _Atomic bool end;            /* close the windows once, then receive nothing more */
    _Atomic bool windows_closed; /* `end` is done */
    _Atomic bool restore;
    _Atomic bool paused; /* receive nothing from the journal */
    _Atomic unsigned drains_requested, drains_completed;
    _Atomic uint64_t rewind_to; /* a record number; UINT64_MAX: no request */
    struct fr_routing *routing; /* to use next; one reference; NULL: none. Under health.lock. */
    size_t routing_index;       /* the sink's index in it. Under health.lock. */
};

/* What fr_sink_status() reads, besides the counters. */
struct sink_health {
    pthread_mutex_t lock;    /* of the members down to program_counts, and of requests.routing */
    enum fr_health reported; /* by the plugin */
    char why[256];           /* the plugin's reason */
    char last_error[256];
    int64_t last_error_ms;        /* wall clock */
    char failure[256];            /* reason of the newest failed delivery */
    bool failure_has_reason;      /* `failure` belongs to the outcome reported next */
    char state_folder_error[256]; /* why the plugin's state folder cannot be made; "": it can */
    char dead_letters_error[512]; /* why dead letters cannot be written; "": they can */
    struct fr_program_counts program_counts;

    _Atomic int64_t failure_ms;    /* monotonic: of the newest failed delivery; 0: none */
    _Atomic int64_t progress_ms;   /* monotonic: when a delivery was completed or none was left */
    _Atomic int64_t next_close_ms; /* monotonic: when the next window closes; -1: none is open */
};

/* Written by the sink's thread, except `dropped`. */
struct sink_counters {
    _Atomic uint64_t received, delivered, retried, failed, refused, dead_letters, dropped, replaced;
    _Atomic uint64_t delays[FR_DELAY_CLASSES];
    _Atomic uint64_t delay_sum_ms;
    _Atomic size_t lanes;
    uint64_t expired; /* deliveries skipped by max_age after the program had emitted them */
};

struct fr_sink {
    struct fr_server_config *config; /* one reference: `settings` points into it */
    struct fr_sink_config settings;
    struct fr_sink_env env;

    const struct fr_plugin *plugin;
    void *plugin_state;                 /* returned by open() */
    struct fr_plugin_instance instance; /* name, options and log lines */
    char *state_dir;                    /* NULL: not made yet */
    struct fr_buffer json;              /* result of host->json() and host->value() */

    struct fr_program *program;
    bool restores; /* the `restore` option: deliver the last values after a start */

    struct sink_input input;
    struct sink_in_flight in_flight;
    struct sink_batch batch;
    struct sink_latest latest;
    struct fr_lanes *lanes; /* deliveries that failed while the peer works */
    struct sink_retry retry;
    struct sink_dead_letters dead_letters;

    struct sink_thread thread;
    struct sink_requests requests;
    struct sink_health health;
    struct sink_counters counters;
};

#endif
