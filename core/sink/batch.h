/*
 * The batch: deliveries that fr_delivery_submit_batch() passes to the plugin next.
 *
 * All functions: the sink's thread. The array grows to the largest batch and is reused.
 */
#ifndef FR_BATCH_H
#define FR_BATCH_H

struct delivery;
struct fr_sink;

/* Append a delivery to the batch. Must not be called from within the plugin's deliver(), which
 * reads the array. */
void fr_batch_add(struct fr_sink *sink, struct delivery *d);

/* Append a delivery to the batch in the after-event. May be called from within deliver(). */
void fr_batch_add_later(struct fr_sink *sink, struct delivery *d);

/* Append the deliveries of fr_batch_add_later() to the batch. */
void fr_batch_add_ready(struct fr_sink *sink);

#endif
