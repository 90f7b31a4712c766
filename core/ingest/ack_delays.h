/*
 * ack_delays.h - a histogram of the times from the receipt of a message to its acknowledgement.
 *
 * Each worker has its own and is the only one that writes it; any thread may read it. Times are in ms,
 * the unit of fr_record.received_ms.
 */
#ifndef FR_ACK_DELAYS_H
#define FR_ACK_DELAYS_H

#include <stdatomic.h>
#include <stdint.h>

/* One class for each ms below 16, then 8 for each power of two up to 2^17 ms (131 s). */
#define FR_ACK_DELAY_EXACT 16
#define FR_ACK_DELAY_CLASSES (FR_ACK_DELAY_EXACT + 8 * 13)

struct fr_ack_delays {
    _Atomic uint64_t count[FR_ACK_DELAY_CLASSES];
};

/* The class of a delay in ms; a negative one, after a step of the clock, is in the first class. */
unsigned fr_ack_delay_class(int64_t ms);

/* The largest delay in ms of a class. */
int64_t fr_ack_delay_bound(unsigned class);

/* Count a delay. Only the thread that owns `delays` calls this, so no atomic addition is needed. */
static inline void fr_ack_delays_add(struct fr_ack_delays *delays, int64_t ms)
{
    _Atomic uint64_t *count = &delays->count[fr_ack_delay_class(ms)];

    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* The delay in ms that `percent` (1 to 100) of the counted ones do not exceed; -1: none is counted. */
int64_t fr_ack_delays_percentile(const uint64_t counts[FR_ACK_DELAY_CLASSES], unsigned percent);

#endif
