/*
 * A lane: the deliveries of some of the vehicles, in order, with one request at a time. When the server
 * refuses a request, the lane halves it, so that a delivery that the server does not accept costs only
 * itself.
 *
 * Everything runs on the sink's thread.
 */
#ifndef FR_HTTP_LANE_H
#define FR_HTTP_LANE_H

#include <stdbool.h>

#include "fleetroute/plugin.h"

struct http_sink;
struct lane;

/* NULL: no memory. The caller frees it; NULL is permitted there. */
struct lane *lane_new(struct http_sink *sink);
void lane_free(struct lane *lane);

/* Append a delivery. */
void lane_add(struct lane *lane, struct fr_delivery *delivery);

/* Send what waits, unless a request is in progress. */
void lane_send(struct lane *lane);

/* The server is away: report FR_RETRY for all that is not sent. */
void lane_return_waiting(struct lane *lane);

#endif
