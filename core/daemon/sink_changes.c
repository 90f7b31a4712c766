#include "daemon/sink_changes.h"

#include <assert.h>

#include "util/clock.h"
#include "util/log.h"

#define END_MS 3000  /* for a sink to complete its deliveries in flight */
#define OPEN_MS 5000 /* for a plugin to open; then the reload finishes without it */

void fr_sink_changes_add(struct fr_sink_changes *changes, struct fr_sink *old,
                         struct fr_sink *fresh, size_t index)
{
    if (changes->count == 0 || old != NULL)
        changes->end_by_ms = fr_monotonic_ms() + END_MS;
    assert(changes->count < sizeof changes->change / sizeof *changes->change);
    changes->change[changes->count++] = (struct fr_sink_change){old, fresh, index, false};
    if (old != NULL)
        fr_sink_end(old);
}

static void changes_report(struct fr_sink_changes *changes, const char *text,
                           struct fr_buffer *report)
{
    fr_log(FR_LOG_WARNING, "reload: %s", text);
    fr_buffer_text(report, text);
    fr_buffer_byte(report, '\n');
    changes->status = -1;
}

/* With a journal the unfinished records come after the sink's cursor and are read again; without
 * one they are refused, so that the vehicles send them again. */
static void changes_end_old(struct fr_sink_changes *changes, struct fr_sink_change *c)
{
    if (fr_sink_ended(c->old) || fr_monotonic_ms() >= changes->end_by_ms)
        fr_sink_ask_stop(c->old);
    if (!fr_sink_stopped(c->old))
        return;
    fr_sink_stop(c->old);
    if (!changes->journal)
        fr_sink_refuse_unfinished(c->old);
    fr_sink_free(c->old);
    c->old = NULL;
}

static void changes_start_fresh(struct fr_sink_changes *changes, struct fr_sink_change *c,
                                struct fr_routing *routing, const struct fr_sink_env *env,
                                struct fr_buffer *report)
{
    struct fr_error error;
    int begun;

    if (!c->begun) {
        changes->open_by_ms = fr_monotonic_ms() + OPEN_MS;
        c->begun = true;
        begun = fr_sink_begin(c->fresh, routing, c->index, env, &error);
    } else
        begun = fr_sink_begun(c->fresh, &error);
    if (begun == 0 && fr_monotonic_ms() >= changes->open_by_ms) {
        fr_error_set(
            &error,
            "sink %s: its plugin has not opened yet; `fleetroute status` reports when it has",
            fr_sink_name(c->fresh));
        begun = -1;
    }
    if (begun < 0)
        changes_report(changes, error.text, report);
    if (begun != 0)
        c->fresh = NULL;
}

bool fr_sink_changes_step(struct fr_sink_changes *changes, struct fr_routing *routing,
                          const struct fr_sink_env *env, struct fr_buffer *report)
{
    bool done = true;

    for (size_t i = 0; i < changes->count; i++) {
        struct fr_sink_change *c = &changes->change[i];

        if (c->old != NULL)
            changes_end_old(changes, c);
        if (c->old == NULL && c->fresh != NULL)
            changes_start_fresh(changes, c, routing, env, report);
        done = done && c->old == NULL && c->fresh == NULL;
    }
    return done;
}
