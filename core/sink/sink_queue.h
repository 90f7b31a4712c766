/*
 * sink_queue.h - records on their way from the workers to one sink.
 *
 * What counts against the limits is everything that the sink has not finished: what waits in
 * the queue and what its plugin holds. So memory is bounded whatever a peer does.
 */
#ifndef FR_SINK_QUEUE_H
#define FR_SINK_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/record.h"

/* A record for a sink, with one reference; `ack`: its acknowledgement waits for this sink. */
struct fr_sink_entry {
    struct fr_record *record;
    bool ack;
};

struct fr_sink_queue;

struct fr_sink_queue *fr_sink_queue_new(size_t records, size_t bytes);
void fr_sink_queue_free(struct fr_sink_queue *queue);

/* Add entries; any thread. At the limit an entry that nothing waits for takes the place of the
 * oldest such entry in the queue, or is dropped itself; one with `ack` is always taken, because
 * who sends those is held back by fr_sink_queue_full. Returns how many were dropped. */
size_t fr_sink_queue_put(struct fr_sink_queue *queue, const struct fr_sink_entry *entries,
                         size_t count);

/* Take up to `most` entries, but none after the one whose record makes `most_bytes` full; the sink's
 * thread. They count until fr_sink_queue_finish. */
size_t fr_sink_queue_take(struct fr_sink_queue *queue, struct fr_sink_entry *entries, size_t most,
                          size_t most_bytes);

/* Entries of so many records and bytes are finished. Returns true when the queue, which was
 * found full, has room again: then those who wait must be told. */
bool fr_sink_queue_finish(struct fr_sink_queue *queue, size_t records, size_t bytes);

/* What one record counts. */
size_t fr_sink_queue_size(const struct fr_record *record);

/* Whether a limit is reached; then fr_sink_queue_finish will tell of room. Any thread. */
bool fr_sink_queue_full(struct fr_sink_queue *queue);

/* Unfinished records and bytes. Any thread. */
size_t fr_sink_queue_records(const struct fr_sink_queue *queue);
size_t fr_sink_queue_bytes(const struct fr_sink_queue *queue);

/* Entries that nobody has taken yet. Any thread. */
size_t fr_sink_queue_waiting(struct fr_sink_queue *queue);

#endif
