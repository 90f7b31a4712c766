/*
 * Creates deliveries from the emissions of the routing program, and passes them to the plugin.
 *
 * All functions: the sink's thread.
 */
#ifndef FR_DELIVERY_H
#define FR_DELIVERY_H

struct fr_emission;
struct fr_sink;

/* Create a delivery of an emission. The delivery joins the batch, or its latest slot. The
 * fr_emit_fn of the sink's program; `sink` is a struct fr_sink. */
void fr_delivery_emit(void *sink, const struct fr_emission *emission);

/* Pass the batch to the plugin's deliver() and empty the batch. Deliveries that have become older
 * than max_age are skipped. Deliveries whose lane exists wait there. While the retry list has
 * deliveries, the others join this list. */
void fr_delivery_submit_batch(struct fr_sink *sink);

#endif
