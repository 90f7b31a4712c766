/*
 * The connections of one worker whose TLS handshake has something to read, in the order of arrival.
 *
 * A handshake costs as much CPU time as thousands of messages, and before its end it is not
 * known whether the peer has a certificate. So handshakes wait in this queue, and a pass of the event
 * loop spends only a bounded time on them: open WebSockets are served in between, however many peers
 * connect at once. All functions are called on the worker's thread.
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

/* Put a connection before the end of its TLS handshake at the end of its worker's queue; it is not read
 * until it is taken. No effect if it is in the queue. */
void fr_handshake_queue_add(struct fr_connection *connection);

/* Remove a connection; no effect when it is not in the queue. */
void fr_handshake_queue_remove(struct fr_connection *connection);

/* Take the first connection, which may be read again; NULL: the queue is empty. */
struct fr_connection *fr_handshake_queue_take(struct fr_worker *worker);

#endif
