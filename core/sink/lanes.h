/*
 * FR_FAILED: deliveries that failed while the peer works, and the deliveries that wait behind them.
 *
 * Order is kept for each pair of vehicle and record type. A pair with a failed delivery has a lane.
 * The oldest delivery of a lane is tried again after a pause that doubles from `retry: min` to
 * `retry: max`; the other deliveries of the pair wait behind it. Deliveries of other pairs do not
 * wait. After `retry: attempts` failures the delivery becomes a dead letter. From then on each
 * delivery of the lane is tried once, until one succeeds: then the lane is removed, and all its
 * deliveries join the batch.
 *
 * Bounds: FR_LANE_MAX deliveries in one lane, half of sink_in_flight.max in all lanes. When a bound
 * is exceeded, the oldest delivery of the lane becomes a dead letter without another attempt.
 *
 * All functions: the sink's thread.
 */
#ifndef FR_LANES_H
#define FR_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct delivery;
struct fr_lanes;
struct fr_sink;

#define FR_LANE_MAX 64

/* Create a table without lanes. Never returns NULL. */
struct fr_lanes *fr_lanes_new(void);

/* Free the table and its lanes; not the deliveries. `lanes` may be NULL. */
void fr_lanes_free(struct fr_lanes *lanes);

size_t fr_lanes_count(const struct fr_lanes *lanes);

/* If a lane exists for the pair of a delivery that no lane tries, append the delivery to this lane
 * and return true; else return false. */
bool fr_lanes_enqueue_if_blocked(struct fr_sink *sink, struct delivery *d);

/* The outcome FR_FAILED: the delivery waits in its lane or becomes a dead letter. The lane is
 * created if it does not exist. */
void fr_lanes_failed(struct fr_sink *sink, struct delivery *d);

/* A delivery that its lane (delivery.lane) tried is delivered, or has left the lane undelivered.
 * The caller finishes the delivery. */
void fr_lanes_complete(struct fr_sink *sink, struct delivery *d, bool delivered);

/* Return a delivery to its lane without counting an attempt: the peer is away, or the dead letter
 * could not be written. The lane is created if it does not exist. */
void fr_lanes_requeue(struct fr_sink *sink, struct delivery *d);

/* Try the oldest delivery of each lane whose pause has ended: it joins the batch in the
 * after-event. `now_ms` is monotonic. */
void fr_lanes_retry_due(struct fr_sink *sink, int64_t now_ms);

/* When the next pause ends, in monotonic ms; -1: no lane pauses. */
int64_t fr_lanes_next_due(const struct fr_lanes *lanes);

/* Pass all deliveries that wait in lanes to skip(), which finishes them: the sink rewinds. Lanes whose delivery the plugin holds
 * remain, without others behind it. */
void fr_lanes_abandon(struct fr_sink *sink, void (*skip)(struct fr_sink *sink, struct delivery *d));

#endif
