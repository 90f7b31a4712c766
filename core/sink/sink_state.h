/* sink_state.h - what a sink consists of; for the files of this folder only. */
#ifndef FR_SINK_STATE_H
#define FR_SINK_STATE_H

#include <event2/event.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>

#include "record/acknowledge.h"
#include "record/field_catalogue.h"
#include "sink/dead_letters.h"
#include "sink/lanes.h"
#include "sink/latest.h"
#include "sink/sink.h"
#include "util/buffer.h"

/* A record that the sink took, until all its deliveries are finished and none of its values waits
 * for a window. */
struct item {
    struct fr_record *record; /* counted; NULL: read from the journal, and through the routes */
    uint64_t seq;             /* the record's */
    uint32_t unfinished;      /* deliveries, and values that wait for their windows */
    uint32_t deliveries;      /* of these */
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
    struct lane *lane; /* that it was taken from to be tried; NULL: none */
    unsigned failures;
    char *reason;          /* of the newest of these; NULL: none */
    int64_t made_ms;       /* monotonic */
    int64_t due_ms;        /* fr_emission.due_ms */
    int64_t expires_ms;    /* fr_emission.expires_ms */
    struct fr_buffer text; /* JSON */
    char name[FR_FIELD_NAME_SIZE];
    char field_name[FR_FIELD_NAME_SIZE]; /* of a field that the catalogue does not know */
    struct delivery *next;               /* among spare ones or those to be retried */
    struct delivery *before, *behind;    /* among all that are unfinished */
};

/* What the sink's thread has reached. The thread sets OPEN, FAILED and ENDED. */
enum sink_phase {
    SINK_NOT_STARTED,
    SINK_OPENING, /* the plugin's open() runs */
    SINK_OPEN,
    SINK_FAILED, /* open() returned NULL; the thread has ended */
    SINK_ENDED   /* the plugin is closed; the thread has ended */
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
    _Atomic uint64_t run_next;   /* the first record that the program has not run */
    struct item *first_item, *last_item;
    uint64_t repeated_below; /* records below may have been delivered before */
    struct fr_program *program;
    size_t in_flight_most;
    bool restores;

    pthread_t thread;
    bool has_thread; /* it was started and is not joined; the owner's thread alone */
    _Atomic enum sink_phase phase;
    int64_t begun_ms; /* monotonic: when the thread was started */
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
    int64_t now_ms;   /* monotonic: when the program was last run */
    uint64_t expired; /* deliveries that became too old before the plugin had them */
    struct fr_delivery **batch;
    size_t batch_count, batch_room;
    struct item *emitting; /* the item whose record runs through the program, without a journal */
    struct delivery *retry_first, *retry_last; /* by order */
    struct fr_lanes *lanes;
    struct event *lane_timer;
    int64_t lane_timer_ms; /* monotonic: when lane_timer fires; -1: it is not pending */
    struct delivery *ready_first, *ready_last; /* to join the batch after the present event */
    struct delivery *aside_first, *aside_last; /* to be dead letters after the present event */
    struct fr_dead_letters *dead_letter_file;
    bool letters_fail; /* the last write of dead letters failed, and deliveries wait for it */
    bool letters_told; /* in the log, since they fail */
    bool letters_news; /* the present cause is not in the log yet */
    int64_t letters_logged_ms; /* monotonic: when it was told last; 0: never */
    bool retry_ready;          /* the pause is over; once the plugin has nothing in its hands */
    int64_t retry_pause_ms;
    struct fr_latest *latest; /* NULL: every delivery counts */
    struct fr_latest_slot *queued_first, *queued_last;
    struct item *spare_items;
    struct delivery *spare_deliveries;
    size_t spare_count;                            /* of these */
    struct delivery *unfinished, *last_unfinished; /* in the order in which they were made */
    struct fr_buffer json;                         /* what host->json() returned */
    struct fr_ack_batch acks;
    size_t finished_records, finished_bytes;
    bool after_pending;

    int64_t log_minute; /* when the present minute of the plugin's log lines began */
    unsigned log_lines; /* in it */

    pthread_mutex_t status_lock; /* of what follows */
    enum fr_health health;
    char why[256], last_error[256], failure[256]; /* failure: of the newest failed delivery */
    char state_why[256];   /* why the plugin's state folder cannot be made; "": it can */
    char letters_why[512]; /* why dead letters cannot be written; "": they can */
    bool failure_given;    /* the plugin has told the reason of the next one */
    int64_t last_error_ms;
    struct fr_program_counts program_counts;
    struct fr_routing *new_routing; /* to be followed; NULL: none */
    size_t new_place;

    _Atomic int64_t failure_ms;     /* monotonic: of the newest failed delivery; 0: none failed */
    _Atomic int64_t oldest_made_ms; /* monotonic: when the oldest delivery was made; 0: none */
    _Atomic int64_t oldest_due_ms;  /* wall clock: when the oldest delivery was due; 0: none */
    _Atomic int64_t next_close_ms;  /* monotonic: when the next window closes; -1: none is open */
    _Atomic int64_t progress_ms; /* monotonic: when something was delivered, or nothing was left */
    _Atomic size_t delivering;   /* records read from the journal with unfinished deliveries */
    _Atomic size_t lane_count;   /* vehicles and record types with failed deliveries */
    _Atomic uint64_t taken, delivered, retried, failed, refused, dead_letters, dropped, replaced;
    _Atomic uint64_t delays[FR_DELAY_CLASSES];
    _Atomic uint64_t delay_sum_ms;
};

/* ---- in_flight.c ----------------------------------------------------------------- */

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

/* Make an unfinished delivery of an item; the caller describes it. Finish it: it is freed. */
struct delivery *fr_delivery_new(struct fr_sink *sink, struct item *item,
                                 const struct fr_emission *emission);
void fr_delivery_finish(struct fr_sink *sink, struct delivery *d);

/* Count how long after it was due a delivery was done. */
void fr_delivery_count_delay(struct fr_sink *sink, const struct delivery *d);

/* Free all, those that the plugin never answered too: their records stay unconfirmed. */
void fr_deliveries_free(struct fr_sink *sink);

/* ---- delivery.c ------------------------------------------------------------------ */

/* The routing program emits something; a delivery of it joins the batch. */
void fr_delivery_emit(void *ctx, const struct fr_emission *emission);

/* Add to the batch. Not from within the plugin's deliver(), which reads the batch. */
void fr_delivery_join_batch(struct fr_sink *sink, struct delivery *d);

/* Let a delivery join the batch after the present event. */
void fr_delivery_make_ready(struct fr_sink *sink, struct delivery *d);
void fr_deliveries_take_ready(struct fr_sink *sink);

/* Hand the batch to the plugin, without the deliveries that became too old for their route and
 * those that have to wait. */
void fr_deliveries_hand_over(struct fr_sink *sink);

/* ---- latest_values.c ------------------------------------------------------------- */

/* Let a value wait as the newest of its vehicle, route and field. */
void fr_latest_join(struct fr_sink *sink, struct delivery *d, const struct fr_emission *emission);

/* Put the newest values that wait into the batch, as many as the plugin may have. */
void fr_latest_hand_over(struct fr_sink *sink);

/* List a slot if its waiting value can be handed over. */
void fr_latest_queue_slot(struct fr_sink *sink, struct fr_latest_slot *slot);

/* The peer went away: the value waits in its slot again, unless a newer one does. */
void fr_latest_put_back(struct fr_sink *sink, struct delivery *d);

/* The value to try instead of this one: what waits in its slot, or itself. */
struct delivery *fr_delivery_newest(struct fr_sink *sink, struct delivery *d);

/* Finish the values that wait. */
void fr_latest_abandon(struct fr_sink *sink);

/* ---- retry.c --------------------------------------------------------------------- */

/* The peer is away: a delivery waits until it may be tried again. */
void fr_retry_add(struct fr_sink *sink, struct delivery *d);

/* Let a delivery wait behind those, in the order in which they were made. */
void fr_retry_insert(struct fr_sink *sink, struct delivery *d);

/* Something was delivered, so what waits need not wait for a pause that grew. */
void fr_retry_end_pause(struct fr_sink *sink);

/* Put what waits into the batch. Finish what waits. */
void fr_retry_hand_over(struct fr_sink *sink);
void fr_retry_abandon(struct fr_sink *sink);

/* ---- outcome.c ------------------------------------------------------------------- */

/* The plugin's answer to a delivery. */
void fr_delivery_done(struct fr_sink *sink, struct fr_delivery *delivery, enum fr_outcome outcome);

/* Keep the reason of the failure that the plugin reports next. */
void fr_delivery_note_failure(struct fr_sink *sink, const char *format, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* Finish a delivery without having delivered it, and go on with what waited behind it. */
void fr_delivery_skip(struct fr_sink *sink, struct delivery *d);

/* Have a delivery written to the dead letters after the present event. */
void fr_delivery_set_aside(struct fr_sink *sink, struct delivery *d);
void fr_deliveries_write_aside(struct fr_sink *sink);

/* Forget that dead letters could not be written once no delivery waits for that. */
void fr_dead_letters_forget_failure(struct fr_sink *sink);

/* Finish all deliveries that the plugin does not have; the sink rewinds. */
void fr_deliveries_abandon(struct fr_sink *sink);

/* ---- sink_take.c ----------------------------------------------------------------- */

/* Read the clocks, for the program and for the deliveries that it makes (fr_sink.now_ms). */
struct fr_program_time fr_sink_time(struct fr_sink *sink);

/* Whether all that is committed to the journal was read. */
bool fr_sink_caught_up(const struct fr_sink *sink);

/* Run what there is through the program, as long as the plugin may have more. */
void fr_sink_take(struct fr_sink *sink);

/* Move the cursor to the first record that is not finished. */
void fr_sink_move_cursor(struct fr_sink *sink);

/* Hand over the batch and, for `latest`, the newest values. */
void fr_sink_hand_over_values(struct fr_sink *sink);

/* Whether windows may close: what they deliver must not overtake what waits for another try. */
bool fr_sink_may_close_windows(const struct fr_sink *sink);

/* Close the windows whose time has come, up to a bound; deliver all values that wait for windows. */
void fr_sink_close_windows(struct fr_sink *sink);
void fr_sink_flush_windows(struct fr_sink *sink);

/* ---- sink_commands.c ------------------------------------------------------------- */

/* Run every last value through the program; what it emits goes to the plugin if `deliver`. */
void fr_sink_restore(struct fr_sink *sink, bool deliver);

/* Follow the routing of fr_sink_reroute; go to the place of fr_sink_rewind, if the plugin has
 * nothing. */
void fr_sink_follow_routing(struct fr_sink *sink);
void fr_sink_rewind_if_asked(struct fr_sink *sink);

/* ---- the thread ------------------------------------------------------------------ */

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
