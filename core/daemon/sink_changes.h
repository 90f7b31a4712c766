/*
 * sink_changes.h - end and start sinks while the daemon runs, without blocking the main thread.
 *
 * A reload adds its changes and then calls fr_sink_changes_step() every few milliseconds. Main
 * thread.
 */
#ifndef FR_SINK_CHANGES_H
#define FR_SINK_CHANGES_H

#include "daemon/setup.h"
#include "util/buffer.h"

/* A sink that ends, a sink that starts, or a sink that starts when another one has ended. */
struct fr_sink_change {
    struct fr_sink *old;   /* ends; owned; NULL: none, or freed */
    struct fr_sink *fresh; /* starts; owned by the setup in force; NULL: none, or started */
    size_t index;          /* of `fresh` in the routing */
    bool begun;            /* fr_sink_begin() was called for `fresh` */
};

struct fr_sink_changes {
    struct fr_sink_change change[2 * FR_SINKS_MAX];
    size_t count;
    int64_t end_by_ms;  /* monotonic: sinks that have not ended by then are stopped */
    int64_t open_by_ms; /* monotonic: plugins that have not opened by then are reported */
    bool journal;       /* sinks read from a journal */
    int status;         /* -1: a sink could not be started */
};

/* Add a change and ask `old` to end. `old` (may be NULL) passes to `changes`; `fresh` (may be NULL)
 * does not. */
void fr_sink_changes_add(struct fr_sink_changes *changes, struct fr_sink *old,
                         struct fr_sink *fresh, size_t index);

/* Advance all changes. Appends one line to `report` for each sink that could not be started.
 * Returns whether all changes are finished. */
bool fr_sink_changes_step(struct fr_sink_changes *changes, struct fr_routing *routing,
                          const struct fr_sink_env *env, struct fr_buffer *report);

#endif
