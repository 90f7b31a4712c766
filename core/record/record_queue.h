/* The queue of records from the threads that route records to one sink. Its limits count all
 * records that the sink has not finished: those in the queue and those that the plugin holds. So
 * the memory of a sink is bounded even if its peer stops reading. */
#ifndef FR_RECORD_QUEUE_H
#define FR_RECORD_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/record.h"

/* A record for a sink. The entry owns one reference. */
struct fr_queue_entry {
    struct fr_record *record;
    bool ack; /* the acknowledgement of the record depends on this sink */
};

struct fr_record_queue;

/* Returns an empty queue with limits on records and bytes. The caller frees it with
 * fr_record_queue_free(). */
struct fr_record_queue *fr_record_queue_new(size_t records, size_t bytes);

/* Free the queue and release the records in it. No other thread may use the queue. */
void fr_record_queue_free(struct fr_record_queue *queue);

/* Append `count` entries, whose references the queue takes over. At the limit, an entry without
 * `ack` replaces the oldest entry of the queue, or is dropped itself if the oldest entry has `ack`.
 * An entry with `ack` is always appended: its sender is paused by means of fr_record_queue_full().
 * Returns the number of dropped entries. Any thread. */
size_t fr_record_queue_put(struct fr_record_queue *queue, const struct fr_queue_entry *entries,
                           size_t count);

/* Remove up to `max` entries from the front and write them to `entries`. Stops after the entry
 * whose record reaches max_bytes. The entries count until fr_record_queue_finish(); their
 * references pass to the caller. Returns the number of entries. Called by the sink's thread. */
size_t fr_record_queue_take(struct fr_record_queue *queue, struct fr_queue_entry *entries,
                            size_t max, size_t max_bytes);

/* Stop counting `records` finished records of `bytes` bytes, the sum of their
 * fr_record_queue_size(). Returns true if fr_record_queue_full() has returned true since the last
 * such report and a tenth of the capacity is free again: then the caller wakes the paused senders.
 * Any thread. */
bool fr_record_queue_finish(struct fr_record_queue *queue, size_t records, size_t bytes);

/* Returns the bytes that a record counts: its memory and the overhead of an entry. */
size_t fr_record_queue_size(const struct fr_record *record);

/* Returns whether a limit is reached. After true, fr_record_queue_finish() reports when capacity is
 * free again. Any thread. */
bool fr_record_queue_full(struct fr_record_queue *queue);

/* Unfinished records, and their bytes. Any thread. */
size_t fr_record_queue_records(const struct fr_record_queue *queue);
size_t fr_record_queue_bytes(const struct fr_record_queue *queue);

/* Returns the number of entries that fr_record_queue_take() has not removed. Any thread. */
size_t fr_record_queue_waiting(struct fr_record_queue *queue);

#endif
