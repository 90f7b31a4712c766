/*
 * `delivery: latest`: the values that wait in slots until the plugin has capacity.
 *
 * Deliveries that wait in a slot do not count in sink_in_flight.bytes, because a new value replaces
 * the waiting one.
 *
 * All functions: the sink's thread.
 */
#ifndef FR_LATEST_VALUES_H
#define FR_LATEST_VALUES_H

struct delivery;
struct fr_emission;
struct fr_latest_slot;
struct fr_sink;

/* Store a new delivery in its slot. An older value that waits there is replaced and counted. If a
 * newer value waits, the new delivery is dropped and counted instead. Without a free slot the
 * delivery joins the batch. */
void fr_latest_values_enqueue(struct fr_sink *sink, struct delivery *d,
                              const struct fr_emission *emission);

/* Move waiting values into the batch until the plugin's limit is reached; none while the sink waits
 * for the retry pause. */
void fr_latest_values_add_to_batch(struct fr_sink *sink);

/* The outcome FR_RETRY of a delivery with a slot: return it to the slot, unless a newer value waits
 * there. */
void fr_latest_values_requeue(struct fr_sink *sink, struct delivery *d);

/* A delivery with a slot is complete: `slot` may pass its waiting value. */
void fr_latest_values_complete(struct fr_sink *sink, struct fr_latest_slot *slot);

/* The delivery to retry instead of `d`: the value that waits in the slot of `d`, which replaces `d`
 * and inherits its failures; or `d` itself. */
struct delivery *fr_latest_values_newest(struct fr_sink *sink, struct delivery *d);

/* Finish the values that wait in ready slots: the sink rewinds. */
void fr_latest_values_abandon(struct fr_sink *sink);

#endif
