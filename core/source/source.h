/*
 * source.h - one configured source: a thread and a plugin's instance that puts records into the
 * journal, beside the vehicles' connections.
 */
#ifndef FR_SOURCE_H
#define FR_SOURCE_H

#include "config/diagnostics.h"
#include "config/routing_config.h"
#include "config/server_config.h"
#include "journal/journal.h"
#include "sink/options.h"
#include "util/error.h"

struct fr_source_status {
    const char *name; /* holds as long as the source */
    const char *plugin;
    enum fr_health health;
    char why[256];
    uint64_t submitted, stored, left_out;
};

/* Make the configuration's place-th source; it holds on to the configuration and takes the
 * options over. */
struct fr_source *fr_source_new(struct fr_server_config *config, size_t place,
                                const struct fr_source_plugin *plugin, struct fr_options *options);

/* Let the plugin look at its options; mistakes go to `diagnostics`. */
void fr_source_check(struct fr_source *source, struct fr_diagnostics *diagnostics);

/* Whether another configuration says the same of this source. */
bool fr_source_same(const struct fr_source *source, const struct fr_source *other);

/* Start the thread; waits until the plugin is open. -1 and why. */
int fr_source_start(struct fr_source *source, struct fr_journal *journal,
                    struct fr_routing *routing, struct fr_error *error);

/* Follow another list of vehicles. */
void fr_source_set_routing(struct fr_source *source, struct fr_routing *routing);

/* The journal was full and has room again. Any thread. */
void fr_source_room(struct fr_source *source);

/* End the thread and close the plugin, after what was submitted is stored (for a moment only). */
void fr_source_stop(struct fr_source *source);

/* Free one that is stopped or never started. */
void fr_source_free(struct fr_source *source);

bool fr_source_runs(const struct fr_source *source);
const char *fr_source_name(const struct fr_source *source);
void fr_source_status(struct fr_source *source, struct fr_source_status *status);

#endif
