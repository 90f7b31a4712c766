/*
 * activity.h - rates, connections and delays of the last hour, in memory: a ring of steps.
 *
 * The main thread adds a sample every FR_ACTIVITY_STEP_MS. 11 kB, and 5 kB for each sink (64 at most).
 * Main thread; pure functions of their arguments.
 */
#ifndef FR_ACTIVITY_H
#define FR_ACTIVITY_H

#include <stddef.h>
#include <stdint.h>

#include "ingest/ack_delays.h"
#include "util/buffer.h"

#define FR_ACTIVITY_STEP_MS 10000
#define FR_ACTIVITY_STEPS 360

struct fr_activity_sink {
    const char *name;
    uint64_t delivered; /* since its start */
    uint64_t lag;       /* records that are not delivered */
};

/* What the daemon has counted by the end of a step. */
struct fr_activity_sample {
    int64_t wall_ms, monotonic_ms;
    uint64_t records, acknowledged; /* since the start */
    size_t connected;               /* vehicles */
    uint64_t delays[FR_ACK_DELAY_CLASSES];
    const struct fr_activity_sink *sinks;
    size_t sink_count;
};

struct fr_activity;

/* The first step begins at `monotonic_ms`, when all counts are 0. The caller frees the result. */
struct fr_activity *fr_activity_new(int64_t monotonic_ms);

/* NULL is ignored. */
void fr_activity_free(struct fr_activity *activity);

/* End a step. `sample` is copied. A count that is lower than before began again at 0: its sink was
 * restarted. A sink that is not in the sample is forgotten. */
void fr_activity_add(struct fr_activity *activity, const struct fr_activity_sample *sample);

/* Append `"series":{…},"sinks":{…}` with the last `steps` steps or fewer, oldest first. Rates are per
 * second; null: nothing was counted, or the sink did not exist. */
void fr_activity_put(const struct fr_activity *activity, size_t steps, struct fr_buffer *out);

#endif
