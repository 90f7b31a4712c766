/*
 * The connections of one worker that are not open WebSockets: in a TLS handshake, in an HTTP
 * upgrade, or closing.
 *
 * They have limits of their own, in total and for each source address, so that peers without a
 * certificate cannot use up limits.connections. A table belongs to one thread.
 */
#ifndef FR_HALF_OPEN_H
#define FR_HALF_OPEN_H

#include <stddef.h>
#include <stdint.h>

/* A connection is closed in favour of another one only after the daemon has waited this long for its
 * peer, so that handshakes in progress complete however many peers connect at once. Time in which
 * the peer waits for the daemon does not count. */
#define FR_HALF_OPEN_MIN_AGE_MS 1000

/* The same for a connection on whose handshake CPU time was spent: the peer may be slow. */
#define FR_HALF_OPEN_BEGUN_AGE_MS 3000

/* A search for a connection to close looks at this many connections at most. */
#define FR_HALF_OPEN_SEARCH_MAX 512

/* Which connections are closed in favour of others: lower ranks first. */
enum fr_half_open_rank {
    FR_HALF_OPEN_IDLE,  /* no handshake has begun, or the last reply is sent: no work is lost */
    FR_HALF_OPEN_BEGUN, /* CPU time was spent on its handshake */
    FR_HALF_OPEN_KEEP,  /* not to be closed now */
};

/* Returns the rank of a connection that was added age_ms ago. */
typedef enum fr_half_open_rank fr_half_open_rank_fn(const void *connection, int64_t age_ms);

struct fr_half_open_entry {
    uint64_t source;  /* fr_address_source() of the peer's address */
    int64_t since_ms; /* monotonic time */
    void *connection; /* not owned */
};

/* All zero is an empty table. */
struct fr_half_open {
    struct fr_half_open_entry *entries; /* oldest first */
    size_t count, capacity;
};

/* Free the memory; the table is empty and usable again. */
void fr_half_open_free(struct fr_half_open *pool);

/* Add a connection as the youngest one. now_ms (monotonic) must not decrease between calls. */
void fr_half_open_add(struct fr_half_open *pool, void *connection, uint64_t source, int64_t now_ms);

/* Remove a connection; no effect when it is not in the table. */
void fr_half_open_remove(struct fr_half_open *pool, const void *connection);

/* The connection to close in favour of another one at now_ms (monotonic): the oldest one of the
 * lowest rank; NULL: there is none. `source`: look only at connections of this source; NULL: at all.
 * rank() is called only for connections of FR_HALF_OPEN_MIN_AGE_MS or more. */
void *fr_half_open_victim(const struct fr_half_open *pool, const uint64_t *source, int64_t now_ms,
                          fr_half_open_rank_fn *rank);

/* The number of connections of a source. */
size_t fr_half_open_of_source(const struct fr_half_open *pool, uint64_t source);

#endif
