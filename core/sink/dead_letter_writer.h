/*
 * Writes the pending dead letters (dead_letter_queue.h) to the dead-letter file (dead_letters.h).
 *
 * A record is complete when its line is synced to disk. If the write fails, the deliveries return
 * to their lanes and are tried again, so that no record is lost; the health has the cause.
 *
 * All functions: the sink's thread.
 */
#ifndef FR_DEAD_LETTER_WRITER_H
#define FR_DEAD_LETTER_WRITER_H

struct fr_sink;

/* Write all pending dead letters with one write and one sync. In the after-event. */
void fr_dead_letter_write_pending(struct fr_sink *sink);

/* Clear the failure of an earlier write when no delivery waits for the file any more. */
void fr_dead_letter_clear_failure(struct fr_sink *sink);

#endif
