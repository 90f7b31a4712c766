/*
 * Records that the daemon makes itself about a vehicle's connections: topic "connectivity" for each
 * connection, topic "presence" for the vehicle as a whole.
 *
 * The payload of both is Tesla's protobuf message VehicleConnectivity. The txid is the id of the
 * connection, or names this front-end (record/presence_origin.h). No vehicle waits for the
 * acknowledgement of these records. All functions are called on the worker's thread.
 */
#ifndef FR_CONNECTIVITY_H
#define FR_CONNECTIVITY_H

#include <stdint.h>

#include "ingest/ingest_state.h"

/* The WebSocket of a connection with a slot and an identity is open: dispatch its CONNECTED record,
 * enter the connection into the presence, and dispatch the presence record if the vehicle was not
 * connected before. */
void fr_connectivity_opened(struct fr_connection *connection);

/* The WebSocket is closed: dispatch its DISCONNECTED record, remove the connection from the
 * presence. */
void fr_connectivity_closed(struct fr_connection *connection);

/* Dispatch the presence records of vehicles whose grace period has expired at now_ms (monotonic). */
void fr_connectivity_expire(struct fr_worker *worker, int64_t now_ms);

/* Dispatch the presence records of some vehicles that are still connected and are due at now_ms
 * (monotonic), if this daemon is one of several front-ends. */
void fr_connectivity_restate(struct fr_worker *worker, int64_t now_ms);

#endif
