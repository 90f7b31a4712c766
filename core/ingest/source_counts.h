/*
 * The number of open WebSockets of each source address, over all workers, for
 * limits.connections_per_source and limits.half_open_per_source. One lock, taken when WebSockets open
 * and close. Any thread.
 */
#ifndef FR_SOURCE_COUNTS_H
#define FR_SOURCE_COUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fr_source_counts;

/* Create an empty table; the caller frees it with fr_source_counts_free(). NULL: OpenSSL
 * returned no random bytes. */
struct fr_source_counts *fr_source_counts_new(void);

/* Free the table; NULL is allowed. */
void fr_source_counts_free(struct fr_source_counts *counts);

/* Count one WebSocket of a source (fr_address_source()). False: the source has `max` already (0: no
 * limit), and nothing is counted. */
bool fr_source_counts_add(struct fr_source_counts *counts, uint64_t source, size_t max);

/* Stop counting one WebSocket of a source that was counted. */
void fr_source_counts_remove(struct fr_source_counts *counts, uint64_t source);

/* The number of open WebSockets of a source. */
size_t fr_source_counts_of(struct fr_source_counts *counts, uint64_t source);

#endif
