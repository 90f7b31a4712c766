/*
 * lanes.h - deliveries that failed while their peer works, and what has to wait behind them.
 *
 * The unit of order is one record type of one vehicle. A lane exists for each of these that has a
 * failed delivery. The oldest delivery of a lane is tried again after a pause that doubles; the
 * others of the same vehicle and type wait behind it, and nothing else does. When it was tried
 * `attempts` times it goes to the dead letters. From then on the deliveries behind it are tried once
 * each, until one succeeds: then the lane is dissolved and all of them are handed over.
 *
 * Bounds: FR_LANE_MAX deliveries wait in one lane, half of what the plugin may hold in all lanes.
 * Beyond these the oldest delivery of the lane goes to the dead letters without another try.
 *
 * All functions are for the sink's thread.
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

struct fr_lanes *fr_lanes_new(void);

/* Free it; the deliveries belong to the sink. NULL is nothing. */
void fr_lanes_free(struct fr_lanes *lanes);

/* Whether any lane exists, and how many there are. */
size_t fr_lanes_count(const struct fr_lanes *lanes);

/* Whether a delivery must wait behind others: then it is in its lane now. */
bool fr_lanes_hold(struct fr_sink *sink, struct delivery *d);

/* The plugin answered that a delivery failed: it waits in its lane, or goes to the dead letters. */
void fr_lanes_failed(struct fr_sink *sink, struct delivery *d);

/* A delivery of a lane (d->lane) was answered otherwise. `done`: it was delivered. */
void fr_lanes_answered(struct fr_sink *sink, struct delivery *d, bool done);

/* Put a delivery back into its lane, because the peer went away or its dead letter could not be
 * written; no attempt is counted. */
void fr_lanes_put_back(struct fr_sink *sink, struct delivery *d);

/* Make the deliveries ready whose pause is over. */
void fr_lanes_try_due(struct fr_sink *sink, int64_t now_ms);

/* When the next pause is over, in monotonic ms; -1: no lane pauses. */
int64_t fr_lanes_next(const struct fr_lanes *lanes);

/* Take every delivery that waits out of its lane and hand it to each(). */
void fr_lanes_clear(struct fr_sink *sink, void (*each)(struct fr_sink *sink, struct delivery *d));

#endif
