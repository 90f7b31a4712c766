/*
 * Unfinished records ("items") and their deliveries.
 *
 * An item counts its unfinished parts. When the last part is released, the record is confirmed to
 * the worker that received it (queue) or the cursor may move past it (journal). Items and
 * deliveries are recycled, so that a delivery does not allocate memory in the long run.
 *
 * All functions: the sink's thread.
 */
#ifndef FR_IN_FLIGHT_H
#define FR_IN_FLIGHT_H

#include <stdbool.h>

struct delivery;
struct fr_emission;
struct fr_record;
struct fr_sink;
struct item;

/* Create an item of a record without unfinished parts. The reference of the record passes to the
 * item. `ack`: confirm the record when it is complete. `from_queue`: the record then no longer
 * counts in the queue. */
struct item *fr_item_new(struct fr_sink *sink, struct fr_record *record, bool ack, bool from_queue);

/* Append an item to the list of unfinished items of the journal. */
void fr_item_link(struct fr_sink *sink, struct item *item);

/* Drop the record of a linked item. The item's deliveries and windows hold references of their own;
 * a value that waits for its window must not keep the whole record in memory. */
void fr_item_drop_record(struct item *item);

/* Add or remove one unfinished part. The last release completes the item and frees it. The
 * callbacks of fr_program_watch(): `sink` is a struct fr_sink, `item` a struct item. */
void fr_item_acquire(void *sink, void *item);
void fr_item_release(void *sink, void *item);

/* Create a delivery of an item. The caller fills in delivery.public. The delivery holds
 * references to the record and to the program's routing. */
struct delivery *fr_delivery_new(struct fr_sink *sink, struct item *item,
                                 const struct fr_emission *emission);

/* Free a delivery that is in no list any more, and release its item. */
void fr_delivery_finish(struct fr_sink *sink, struct delivery *d);

/* Free all items and deliveries, including those that the plugin holds; their records stay
 * unconfirmed. After the end of the sink's thread. */
void fr_deliveries_free(struct fr_sink *sink);

#endif
