/*
 * Which connections a worker may have: the accounting of limits.*.
 *
 * A connection counts either as half-open (TLS handshake, HTTP upgrade, closing), or as an open
 * WebSocket with a slot, or as a client without a certificate, which has a slot of its own kind. Limits
 * hold over all workers. The limits of half-open connections are divided among the workers, because
 * the kernel spreads new connections over them by a hash of addresses and ports. All functions are
 * called on the worker's thread.
 */
#ifndef FR_LIMITS_H
#define FR_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/ingest_state.h"

/* The worker's part of a limit that holds over all workers, rounded up. */
size_t fr_limits_share(const struct fr_worker *worker, size_t limit);

/* Max half-open connections of the worker: its part of limits.half_open and of the file descriptors
 * that no vehicle uses, at least 1. Without this bound, the half-open connections of one worker could
 * hold every descriptor, and a vehicle that the kernel gives to another worker would wait. */
size_t fr_limits_half_open_max(const struct fr_worker *worker);

/* Whether the worker has as many half-open connections as fr_limits_half_open_max() permits. */
bool fr_limits_half_open_full(const struct fr_worker *worker);

/* Whether the process has no file descriptor for one more connection. */
bool fr_limits_out_of_sockets(const struct fr_worker *worker);

/* Which half-open connections may be closed in favour of others; `connection` is a struct
 * fr_connection. The time that it waited for CPU time of the worker is not its age. */
enum fr_half_open_rank fr_limits_rank(const void *connection, int64_t age_ms);

/* Count a connection as half-open, from now_ms (monotonic) on; its time of waiting begins at 0. */
void fr_limits_add_half_open(struct fr_connection *connection, int64_t now_ms);

/* Stop counting a connection that has no slot. */
void fr_limits_remove(struct fr_connection *connection);

/* Turn a half-open connection into one of the clients without a certificate, from now_ms (monotonic)
 * on. They have settings.without_certificate places over all workers, with descriptors of their own,
 * so that they take nothing from vehicles. False: there is no place, and nothing is changed. */
bool fr_limits_take_place(struct fr_connection *connection, int64_t now_ms);

/* Make slots for limits.connections. Slots are never removed: connections may be in them. */
void fr_limits_grow_slots(struct fr_worker *worker);

/* Turn a half-open connection into one with a slot. Returns NULL, or the key of the limit that is
 * reached (a string constant); nothing is changed then. */
const char *fr_limits_take_slot(struct fr_connection *connection);

/* Turn a connection with a slot into a half-open one; no effect on a connection without a slot. */
void fr_limits_return_slot(struct fr_connection *connection);

/* The open WebSocket that a slot and a generation refer to; NULL: it is closed or closing. */
struct fr_connection *fr_limits_find(const struct fr_worker *worker, struct fr_connection_id id);

#endif
