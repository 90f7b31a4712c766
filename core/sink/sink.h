/*
 * sink.h - one configured sink: a thread, its supply of records, a program and a plugin's
 * instance.
 *
 * With a journal the sink reads it from its cursor, at its own pace; without one workers offer
 * records to its queue. Its thread runs them through the routing program, hands what comes out
 * to the plugin, and moves the cursor (or confirms the record) when all of it is delivered.
 * Nothing here makes another sink or a worker wait.
 */
#ifndef FR_SINK_H
#define FR_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/diagnostics.h"
#include "config/routing_config.h"
#include "config/server_config.h"
#include "fleetroute/plugin.h"
#include "journal/last_values.h"
#include "route/program.h"
#include "sink/options.h"
#include "sink/sink_queue.h"
#include "util/error.h"

/* Delays from when a delivery was due (its record's receipt, or the end of the window that the value
 * waited for) until it was delivered are counted in classes with these upper bounds in ms; what
 * took longer is in one more. */
#define FR_DELAY_BOUNDS                                                                            \
    {                                                                                              \
        1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 2000, 5000,  \
            10000, 30000, 60000                                                                    \
    }
#define FR_DELAY_CLASSES 25

/* How a sink is, for people and for tests. */
struct fr_sink_status {
    const char *name; /* holds as long as the sink */
    const char *plugin;
    enum fr_health health;
    char why[512];
    char last_error[256];  /* why it last was not well; "" if it always was */
    int64_t last_error_ms; /* when; wall clock */
    size_t unfinished;     /* records read (or queued) and not delivered */
    size_t unfinished_bytes;
    bool from_journal;
    uint64_t cursor; /* the first record not finished, windows included */
    uint64_t behind; /* records committed and not delivered; not those of which only values wait
                         * for their windows */
    uint64_t deleted_undelivered; /* fr_cursor_dropped(); 0 without a journal */
    uint64_t taken;               /* records */
    uint64_t delivered;           /* deliveries */
    uint64_t retried;             /* because the peer was away */
    uint64_t failed;              /* answers that a delivery failed */
    uint64_t refused;             /* answers that one never succeeds */
    size_t retrying;              /* vehicles and record types with failed deliveries */
    uint64_t dead_letters;
    uint64_t dropped;   /* records left out because the queue was full */
    uint64_t replaced;  /* values that a newer one took the place of, in `latest` */
    int64_t overdue_ms; /* since when something is due that is not delivered; 0: nothing */
    uint64_t delays[FR_DELAY_CLASSES];
    uint64_t delay_sum_ms;
    struct fr_program_counts program;
};

/* What a sink needs of the daemon. */
struct fr_sink_house {
    struct fr_journal *journal; /* NULL: off */
    struct fr_values *values;   /* NULL: none are kept */
    const char *dead_letters;   /* the folder */
    void (*room)(void *ctx);    /* a full queue has room again; on the sink's thread */
    void *ctx;
};

/* Make a sink of the configuration's place-th; it holds on to the configuration and takes the
 * options over. No thread runs yet. */
struct fr_sink *fr_sink_new(struct fr_server_config *config, size_t place,
                            const struct fr_plugin *plugin, struct fr_options *options);

/* Let the plugin look at its options; mistakes go to `diagnostics`. */
void fr_sink_check(struct fr_sink *sink, struct fr_diagnostics *diagnostics);

/* The place-th path that its plugin writes to, or NULL: there are no more. */
const char *fr_sink_path(const struct fr_sink *sink, size_t place);

/* Whether another configuration says the same of this sink. */
bool fr_sink_same(const struct fr_sink *sink, const struct fr_sink *other);

/* Start the thread; `place` is the sink's place in the routing. The house must outlive the
 * sink. Returns at once, while the plugin opens on the sink's thread. -1 and why; the status says it
 * too. */
int fr_sink_begin(struct fr_sink *sink, struct fr_routing *routing, size_t place,
                  const struct fr_sink_house *house, struct fr_error *error);

/* Of a sink that was begun: 1: its plugin is open; 0: not yet; -1 and why: it could not open. */
int fr_sink_begun(struct fr_sink *sink, struct fr_error *error);

/* fr_sink_begin, then wait until the plugin is open. -1 and why. */
int fr_sink_start(struct fr_sink *sink, struct fr_routing *routing, size_t place,
                  const struct fr_sink_house *house, struct fr_error *error);

/* Follow another routing from the next record on; what waits in windows of routes that have not
 * changed goes on waiting. Returns at once. */
void fr_sink_reroute(struct fr_sink *sink, struct fr_routing *routing, size_t place);

/* Go to another place of the journal, once the plugin has nothing in its hands. Returns at once;
 * false: the sink does not read a journal. */
bool fr_sink_rewind(struct fr_sink *sink, uint64_t seq);

/* Offer records, where there is no journal; the references pass to the sink. Any thread. */
void fr_sink_offer(struct fr_sink *sink, const struct fr_sink_entry *entries, size_t count);

/* Whether its queue is at a limit. Any thread. */
bool fr_sink_full(struct fr_sink *sink);

/* Ask it to end soon: with a journal it takes nothing more, without one what is queued; windows
 * are closed. fr_sink_ended: its plugin has answered all it was given. */
void fr_sink_end(struct fr_sink *sink);
bool fr_sink_ended(struct fr_sink *sink);

/* Of a stopped sink: nothing beyond its cursor may have been delivered. */
bool fr_sink_ended_well(const struct fr_sink *sink);

/* Ask it to deliver what it has, open windows included, and to tell the plugin to flush. */
void fr_sink_drain(struct fr_sink *sink);

/* Whether nothing is unfinished, and what fr_sink_drain asked for is done. */
bool fr_sink_idle(struct fr_sink *sink);

/* End the thread and close the plugin, and wait for it. What is unfinished stays unconfirmed, or
 * behind the cursor. */
void fr_sink_stop(struct fr_sink *sink);

/* The same without waiting. fr_sink_stopped: no thread of the sink runs, so that fr_sink_stop
 * returns at once. */
void fr_sink_ask_stop(struct fr_sink *sink);
bool fr_sink_stopped(const struct fr_sink *sink);

/* The records of a stopped sink without a journal: those that acknowledgements wait for are
 * answered as refused, so that their vehicles send them again. */
void fr_sink_refuse_unfinished(struct fr_sink *sink);

/* Free a sink that is stopped or never started. */
void fr_sink_free(struct fr_sink *sink);

/* Whether it was started, could begin, and is not stopped. */
bool fr_sink_runs(const struct fr_sink *sink);

/* "up", "degraded", "down". */
const char *fr_health_word(enum fr_health health);

const char *fr_sink_name(const struct fr_sink *sink);
void fr_sink_status(struct fr_sink *sink, struct fr_sink_status *status);

#endif
