/*
 * One configured source: an instance of a source plugin with a thread of its own, which puts
 * records into the journal beside the connections of vehicles.
 *
 * Functions are called on the main thread of the daemon, except where they say otherwise.
 */
#ifndef FR_SOURCE_H
#define FR_SOURCE_H

#include "config/diagnostics.h"
#include "config/routing_config.h"
#include "config/server_config.h"
#include "journal/journal.h"
#include "plugin/options.h"
#include "util/error.h"

struct fr_source_status {
    const char *name; /* holds as long as the source */
    const char *plugin;
    enum fr_health health;
    char why[256];                       /* the reason of the health */
    uint64_t submitted, stored, skipped; /* records since the start; skipped: rejected */
};

/* Make the source with this index in the configuration, not started. It takes a reference of the
 * configuration and takes over the options. The plugin stays loaded. */
struct fr_source *fr_source_new(struct fr_server_config *config, size_t index,
                                const struct fr_source_plugin *plugin, struct fr_options *options);

/* Have the plugin check its options. Errors go to `diagnostics`. */
void fr_source_check(struct fr_source *source, struct fr_diagnostics *diagnostics);

/* Whether two sources have the same plugin and the same configuration. */
bool fr_source_same(const struct fr_source *source, const struct fr_source *other);

/* Start the thread and wait until the plugin has opened. The journal must outlive the source. -1
 * with `error` set: the thread cannot start or the plugin cannot open; the source may be started
 * again. */
int fr_source_start(struct fr_source *source, struct fr_journal *journal,
                    struct fr_routing *routing, struct fr_error *error);

/* Use the list of vehicles of another routing. Ignored if the source does not run. */
void fr_source_set_routing(struct fr_source *source, struct fr_routing *routing);

/* The journal was full and has capacity again: call on_writable of the plugin on its thread. Any
 * thread, between start and stop. */
void fr_source_on_writable(struct fr_source *source);

/* Wait up to 2 s until the submitted records are on disk, close the plugin and end the thread. */
void fr_source_stop(struct fr_source *source);

/* Free a source that was never started or is stopped. NULL is ignored. */
void fr_source_free(struct fr_source *source);

/* Whether the source is between start and stop. */
bool fr_source_runs(const struct fr_source *source);

const char *fr_source_name(const struct fr_source *source);

/* The status at this moment. Any thread. */
void fr_source_status(struct fr_source *source, struct fr_source_status *status);

#endif
