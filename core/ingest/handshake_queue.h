/*
 * The connections of one worker whose TLS handshake has something to read.
 *
 * A handshake costs as much CPU time as thousands of messages, and before its end it is not
 * known whether the peer has a certificate. So handshakes wait in this queue, and a pass of the event
 * loop spends only a bounded time on them: open WebSockets are served in between, however many peers
 * connect at once. All functions are called on the worker's thread.
 *
 * The queue has two parts, each in the order of arrival. Handshakes that have begun come before those
 * that have not, so that few are in progress at a time and each ends soon after it has begun. One
 * that has not begun follows after FR_HANDSHAKE_BEGUN_MAX others, so that peers that send their
 * handshake byte by byte cannot stop it. The time in the queue does not count towards
 * limits.handshake_timeout.
 */
#ifndef FR_HANDSHAKE_QUEUE_H
#define FR_HANDSHAKE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/ingest_state.h"

/* A pass begins no further handshake after this time, in ms; if the rest of the pass takes more CPU
 * time, after as much time as that, up to the maximum. */
#define FR_HANDSHAKE_BUDGET_MS 2
#define FR_HANDSHAKE_BUDGET_MAX_MS 20

/* Handshakes that have begun and are taken in a row while others wait that have not. */
#define FR_HANDSHAKE_BEGUN_MAX 4

/* Put a connection in state FR_CONNECTION_HANDSHAKE at the end of its part of its worker's queue; it
 * is not read until it is taken. No effect if it is in the queue. */
void fr_handshake_queue_add(struct fr_connection *connection);

/* Remove a connection, and move its deadline by the time that it has waited; no effect when it is not
 * in the queue. */
void fr_handshake_queue_remove(struct fr_connection *connection);

/* Take the next connection, which may be read again; NULL: the queue is empty. */
struct fr_connection *fr_handshake_queue_take(struct fr_worker *worker);

/* Whether the queue is empty. */
bool fr_handshake_queue_is_empty(const struct fr_worker *worker);

/* The number of connections in the queue. */
size_t fr_handshake_queue_count(const struct fr_worker *worker);

/* The longest time, in ms, that a connection in the queue has waited at now_ms (monotonic). */
int64_t fr_handshake_queue_wait_ms(const struct fr_worker *worker, int64_t now_ms);

#endif
