#include "sink_changes.h"

#include "util/clock.h"
#include "util/log.h"

#define END_MS 3000  /* for a sink to deliver what it has in hand */
#define OPEN_MS 5000 /* for a plugin to open, before the reload ends without it */

void fr_sink_changes_add(struct fr_sink_changes *changes, struct fr_sink *old,
                         struct fr_sink *fresh, size_t index)
{
    if (changes->count == 0 || old != NULL)
        changes->end_by_ms = fr_monotonic_ms() + END_MS;
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

/* With a journal what the sink has not finished is behind its cursor; without one the vehicles are
 * asked to send it again. */
static void changes_end(struct fr_sink_changes *changes, struct fr_sink_change *c)
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

static void changes_start(struct fr_sink_changes *changes, struct fr_sink_change *c,
                          struct fr_routing *routing, const struct fr_sink_house *house,
                          struct fr_buffer *report)
{
    struct fr_error error;
    int begun;

    if (!c->begun) {
        changes->open_by_ms = fr_monotonic_ms() + OPEN_MS;
        c->begun = true;
        begun = fr_sink_begin(c->fresh, routing, c->index, house, &error);
    } else
        begun = fr_sink_begun(c->fresh, &error);
    if (begun == 0 && fr_monotonic_ms() >= changes->open_by_ms) {
        fr_error_set(&error,
                     "sink %s: its plugin has not opened yet; `fleetroute status` shows when",
                     fr_sink_name(c->fresh));
        begun = -1;
    }
    if (begun < 0)
        changes_report(changes, error.text, report);
    if (begun != 0)
        c->fresh = NULL;
}

bool fr_sink_changes_step(struct fr_sink_changes *changes, struct fr_routing *routing,
                          const struct fr_sink_house *house, struct fr_buffer *report)
{
    bool done = true;

    for (size_t i = 0; i < changes->count; i++) {
        struct fr_sink_change *c = &changes->change[i];

        if (c->old != NULL)
            changes_end(changes, c);
        if (c->old == NULL && c->fresh != NULL)
            changes_start(changes, c, routing, house, report);
        done = done && c->old == NULL && c->fresh == NULL;
    }
    return done;
}
