/*
 * sink.h - one configured sink: a thread, a queue, a program and a plugin's instance.
 *
 * Workers offer records; the sink's thread runs them through the routing program, hands what
 * comes out to the plugin and confirms each record when all of it is delivered. Nothing here
 * makes another sink or a worker wait.
 */
#ifndef FR_SINK_H
#define FR_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/diagnostics.h"
#include "config/routing_config.h"
#include "fleetroute/plugin.h"
#include "route/program.h"
#include "sink/options.h"
#include "sink/sink_queue.h"
#include "util/error.h"

struct fr_sink_settings {
    const char *name;
    size_t queue_records;
    size_t queue_bytes;
    int64_t retry_least_ms; /* first pause after a failed delivery; doubles up to … */
    int64_t retry_most_ms;
};

/* How a sink is, for people and for tests. */
struct fr_sink_status {
    const char *name;
    const char *plugin;
    enum fr_health health;
    char why[256];
    size_t unfinished; /* records */
    size_t unfinished_bytes;
    uint64_t taken;     /* records */
    uint64_t delivered; /* deliveries */
    uint64_t retried;
    uint64_t refused;
    uint64_t dropped; /* records left out because the queue was full */
    struct fr_program_counts program;
};

/* Make a sink; options must outlive it. No thread runs yet. */
struct fr_sink *fr_sink_new(const struct fr_sink_settings *settings, const struct fr_plugin *plugin,
                            struct fr_options *options);

/* Let the plugin look at its options; mistakes go to `diagnostics`. */
void fr_sink_check(struct fr_sink *sink, struct fr_diagnostics *diagnostics);

/* Call room(ctx), on the sink's thread, whenever a full queue has room again. Before start. */
void fr_sink_when_room(struct fr_sink *sink, void (*room)(void *ctx), void *ctx);

/* Start the thread; `place` is the sink's place in the routing, which must outlive the sink.
 * Waits until the plugin is open. -1 and why. */
int fr_sink_start(struct fr_sink *sink, const struct fr_routing *routing, size_t place,
                  struct fr_error *error);

/* Offer records; the references pass to the sink. Any thread. */
void fr_sink_offer(struct fr_sink *sink, const struct fr_sink_entry *entries, size_t count);

/* Whether its queue is at a limit. Any thread. */
bool fr_sink_full(struct fr_sink *sink);

/* Ask it to deliver what it has, open windows included, and to tell the plugin to flush. */
void fr_sink_drain(struct fr_sink *sink);

/* Whether nothing is unfinished, and what fr_sink_drain asked for is done. */
bool fr_sink_idle(struct fr_sink *sink);

/* End the thread and close the plugin. What is unfinished stays unconfirmed. */
void fr_sink_stop(struct fr_sink *sink);

/* Free a sink that is stopped or never started. */
void fr_sink_free(struct fr_sink *sink);

void fr_sink_status(struct fr_sink *sink, struct fr_sink_status *status);

#endif
