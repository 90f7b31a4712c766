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

/* A connection younger than this is never closed in favour of another one, so that handshakes in
 * progress complete however many peers connect at once. */
#define FR_HALF_OPEN_MIN_AGE_MS 1000

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

/* Count a connection for another source from now on; no effect when it is not in the table. */
void fr_half_open_set_source(struct fr_half_open *pool, const void *connection, uint64_t source);

/* The oldest connection if it may be closed in favour of another one at now_ms (monotonic); else
 * NULL. */
void *fr_half_open_victim(const struct fr_half_open *pool, int64_t now_ms);

/* The number of connections of a source. If it is not 0, *oldest is a copy of the oldest one's
 * entry. */
size_t fr_half_open_of_source(const struct fr_half_open *pool, uint64_t source,
                              struct fr_half_open_entry *oldest);

#endif
