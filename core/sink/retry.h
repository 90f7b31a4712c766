/*
 * FR_RETRY: while the plugin's peer is away, all deliveries wait in the order of their creation.
 *
 * While the list has a delivery, the sink receives no records, closes no windows and passes nothing
 * else to the plugin. After a pause, which doubles from `retry: min` to `retry: max`, the whole
 * list is passed to the plugin again. There is no limit of attempts. Deliveries with a latest slot
 * wait in their slots instead.
 *
 * All functions: the sink's thread.
 */
#ifndef FR_RETRY_H
#define FR_RETRY_H

struct delivery;
struct fr_sink;

/* The outcome FR_RETRY of a delivery that no lane tries: store it for the next attempt, count it,
 * and begin the pause if none lasts. */
void fr_retry_add(struct fr_sink *sink, struct delivery *d);

/* Insert a delivery into the list at the position of its order, without a pause. */
void fr_retry_insert(struct fr_sink *sink, struct delivery *d);

/* A delivery succeeded: shorten a pause that lasts to `retry: min`, and begin with the minimum the
 * next time. */
void fr_retry_reset_pause(struct fr_sink *sink);

/* The plugin reports that the peer is back: end a pause that lasts at once, and begin with the
 * minimum the next time. */
void fr_retry_end_pause(struct fr_sink *sink);

/* Move the list into the batch. */
void fr_retry_add_to_batch(struct fr_sink *sink);

/* Pass the deliveries of the list to skip(), which finishes them: the sink rewinds. */
void fr_retry_abandon(struct fr_sink *sink, void (*skip)(struct fr_sink *sink, struct delivery *d));

#endif
