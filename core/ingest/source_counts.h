/*
 * source_counts.h - how many open WebSockets each source address has, over all workers. For
 * limits.connections_per_source; any thread.
 */
#ifndef FR_SOURCE_COUNTS_H
#define FR_SOURCE_COUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fr_source_counts;

struct fr_source_counts *fr_source_counts_new(void);
void fr_source_counts_free(struct fr_source_counts *counts);

/* Count one more of the source (fr_address_source). False: it has `most` already, 0 being no limit;
 * nothing is counted then. */
bool fr_source_counts_add(struct fr_source_counts *counts, uint64_t source, size_t most);

/* One less, of a source that has been counted. */
void fr_source_counts_remove(struct fr_source_counts *counts, uint64_t source);

#endif
