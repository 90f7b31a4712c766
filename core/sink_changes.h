/*
 * sink_changes.h - sinks that end and start while the daemon runs; the main thread alone.
 *
 * Nothing here waits: each step looks at what the sinks' threads have reached.
 */
#ifndef FR_SINK_CHANGES_H
#define FR_SINK_CHANGES_H

#include "setup.h"
#include "util/buffer.h"

/* One sink that ends, starts, or starts when the other has ended. */
struct fr_sink_change {
    struct fr_sink *old;   /* it ends; owned; NULL: none, or it is freed */
    struct fr_sink *fresh; /* it starts; of the setup in force; NULL: none, or it is done */
    size_t index;          /* of `fresh` in the routing */
    bool begun;            /* `fresh` is */
};

struct fr_sink_changes {
    struct fr_sink_change change[2 * FR_SINKS_MAX];
    size_t count;
    int64_t end_by_ms;  /* monotonic: when sinks that have not ended are stopped */
    int64_t open_by_ms; /* when nobody waits any more for plugins that open */
    bool journal;
    int status; /* -1: a sink could not be started */
};

/* Add a change, and begin it. */
void fr_sink_changes_add(struct fr_sink_changes *changes, struct fr_sink *old,
                         struct fr_sink *fresh, size_t index);

/* Go on with all. Returns whether all are finished; what could not start is named in `report`. */
bool fr_sink_changes_step(struct fr_sink_changes *changes, struct fr_routing *routing,
                          const struct fr_sink_house *house, struct fr_buffer *report);

#endif
