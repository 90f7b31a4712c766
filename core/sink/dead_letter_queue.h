/*
 * The list of deliveries that the after-event writes to the dead-letter file
 * (dead_letter_writer.h).
 *
 * All functions: the sink's thread.
 */
#ifndef FR_DEAD_LETTER_QUEUE_H
#define FR_DEAD_LETTER_QUEUE_H

struct delivery;
struct fr_sink;

/* Add a delivery to the list, and schedule the after-event. */
void fr_dead_letter_enqueue(struct fr_sink *sink, struct delivery *d);

/* Pass the deliveries of the list to skip(), which finishes them without writing: the sink rewinds. */
void fr_dead_letter_abandon(struct fr_sink *sink,
                            void (*skip)(struct fr_sink *sink, struct delivery *d));

#endif
