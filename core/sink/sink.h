/*
 * A sink of the configuration: one plugin instance with its own thread, its input and its routing
 * program.
 *
 * With a journal a sink reads the journal from its own cursor at its own pace. Without a journal
 * the ingest workers enqueue records. The sink's thread runs each record through the routing
 * program, passes the resulting deliveries to the plugin, and moves the cursor (or confirms the
 * record) when all deliveries of the record are complete. A slow sink never blocks a worker or
 * another sink.
 *
 * Functions are called on the main thread unless their comment names another one.
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
#include "plugin/options.h"
#include "record/record_queue.h"
#include "sink/sink_status.h"
#include "sink/sink_types.h"
#include "util/error.h"

/* ---- setup ----------------------------------------------------------------------- */

/* Create the sink config->sinks[index] without a thread. The sink takes a reference to `config` and
 * the ownership of `options`. Never returns NULL. */
struct fr_sink *fr_sink_new(struct fr_server_config *config, size_t index,
                            const struct fr_plugin *plugin, struct fr_options *options);

/* Free a sink that is stopped or was never started. `sink` may be NULL. */
void fr_sink_free(struct fr_sink *sink);

/* Run the plugin's check() of the options. Mistakes are added to `diagnostics`. */
void fr_sink_check(struct fr_sink *sink, struct fr_diagnostics *diagnostics);

const char *fr_sink_name(const struct fr_sink *sink);

/* The path number `index` (from 0) that the plugin writes to; NULL: there is none. */
const char *fr_sink_path(const struct fr_sink *sink, size_t index);

/* Whether both sinks have the same plugin and equal configurations. */
bool fr_sink_same(const struct fr_sink *sink, const struct fr_sink *other);

/* ---- start ----------------------------------------------------------------------- */

/* Start the thread, which opens the plugin; returns without waiting for open(). `index` is the
 * sink's index in `routing`. `env` is copied; its objects must outlive the sink. Returns 0; or -1
 * with `error`, which fr_sink_status() reports too. */
int fr_sink_begin(struct fr_sink *sink, struct fr_routing *routing, size_t index,
                  const struct fr_sink_env *env, struct fr_error *error);

enum fr_sink_begun {
    FR_SINK_OPEN_FAILED = -1, /* open() failed; `error` is set */
    FR_SINK_OPENING = 0,
    FR_SINK_OPENED = 1
};

/* The progress of a successful fr_sink_begin(). */
enum fr_sink_begun fr_sink_begun(struct fr_sink *sink, struct fr_error *error);

/* fr_sink_begin(), then wait until the plugin is open. Returns 0; or -1 with `error`: the thread
 * has ended. */
int fr_sink_start(struct fr_sink *sink, struct fr_routing *routing, size_t index,
                  const struct fr_sink_env *env, struct fr_error *error);

/* ---- requests to the thread; these return at once -------------------------------- */

/* Use another routing from the next record on. Values that wait in windows of unchanged routes
 * remain there. The sink takes a reference to `routing`. */
void fr_sink_reroute(struct fr_sink *sink, struct fr_routing *routing, size_t index);

/* Continue at record `seq` of the journal when the plugin holds no delivery. Returns false if the
 * sink does not read a journal. */
bool fr_sink_rewind(struct fr_sink *sink, uint64_t seq);

/* Receive no further records of the journal and close no window, or (false) continue. Deliveries that
 * exist are completed. Returns false if the sink does not run or does not read a journal. */
bool fr_sink_pause(struct fr_sink *sink, bool pause);

/* Deliver all available records and the values of open windows, then call the plugin's flush(). */
void fr_sink_drain(struct fr_sink *sink);

/* Whether no record is unfinished and every fr_sink_drain() is complete. */
bool fr_sink_idle(struct fr_sink *sink);

/* Prepare the end of the sink: close the windows, then receive no more records from the journal;
 * the records of a queue are still delivered. */
void fr_sink_end(struct fr_sink *sink);

/* Whether fr_sink_end() is complete: the plugin has answered all its deliveries. */
bool fr_sink_ended(struct fr_sink *sink);

/* ---- stop ------------------------------------------------------------------------ */

/* Ask the thread to close the plugin and to end. */
void fr_sink_ask_stop(struct fr_sink *sink);

/* Whether no thread of the sink runs: fr_sink_stop() then returns at once. */
bool fr_sink_stopped(const struct fr_sink *sink);

/* Whether the thread was started and has not ended. */
bool fr_sink_runs(const struct fr_sink *sink);

/* fr_sink_ask_stop(), then wait for the end of the thread. Unfinished records stay unconfirmed, or
 * behind the cursor. */
void fr_sink_stop(struct fr_sink *sink);

/* Whether no record behind the cursor of a stopped sink may have been delivered. */
bool fr_sink_clean_shutdown(const struct fr_sink *sink);

/* Of a stopped sink without a journal: confirm the unfinished records whose acknowledgements wait
 * for this sink as refused, so that the vehicles send them again. */
void fr_sink_refuse_unfinished(struct fr_sink *sink);

/* ---- records without a journal --------------------------------------------------- */

/* Add records to the queue. The references pass to the sink. Any thread. */
void fr_sink_enqueue(struct fr_sink *sink, const struct fr_queue_entry *entries, size_t count);

/* Whether the queue has reached a limit. Any thread. */
bool fr_sink_full(struct fr_sink *sink);

#endif
