/*
 * half_open.h - the connections of one worker that are not vehicles' open WebSockets: those in
 * their TLS handshake or HTTP upgrade, and those that are closing.
 *
 * They have a limit of their own, in total and for each source address, so that peers without a
 * certificate cannot use up `limits.connections`. One thread.
 */
#ifndef FR_HALF_OPEN_H
#define FR_HALF_OPEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A connection younger than this is never closed to make room for another one: handshakes that
 * make progress finish, however many peers come at once. */
#define FR_HALF_OPEN_MIN_AGE_MS 1000

struct fr_half_open_entry {
    uint64_t source; /* fr_address_source */
    int64_t since_ms;
    void *connection;
};

struct fr_half_open {
    struct fr_half_open_entry *entries; /* oldest first */
    size_t count, room;
};

/* Free the table; it is empty and usable again. */
void fr_half_open_free(struct fr_half_open *pool);

/* Add a connection, the youngest, at a time of the monotonic clock. */
void fr_half_open_add(struct fr_half_open *pool, void *connection, uint64_t source, int64_t now_ms);

/* Take a connection out; nothing happens when it is not in. */
void fr_half_open_remove(struct fr_half_open *pool, const void *connection);

/* The oldest connection if it is old enough to be closed for another one; NULL: it is not. */
void *fr_half_open_victim(const struct fr_half_open *pool, int64_t now_ms);

/* How many connections a source has, and the oldest of them. */
size_t fr_half_open_of_source(const struct fr_half_open *pool, uint64_t source,
                              struct fr_half_open_entry *oldest);

#endif
