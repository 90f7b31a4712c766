/*
 * api_history.h - the history of a vehicle for pages and scripts: GET /api/vehicles/{vin}/history, and
 * …/track, …/sessions, …/alerts, …/connections and …/signals.
 *
 * The query is that of fr_history_request_parse(). The answer is that of fr_history_query(), as for
 * the control command `history`; else {"error":TEXT} with 400, 404 (no history, or nothing is known
 * of the vehicle) or 503.
 *
 * The functions run in a thread of the jobs, with the context of fr_api_vehicles_prepare().
 */
#ifndef FR_API_HISTORY_H
#define FR_API_HISTORY_H

#include "admin/http_types.h"

/* Why a request for the history cannot be answered, and the remedy. */
#define FR_NO_HISTORY                                                                              \
    "there is no history: set `history: {}` in fleetroute.yaml, which needs a journal, and "       \
    "restart fleetrouted; or it could not be started (see the log)"

int fr_api_history(void *ctx, const struct fr_http_call *call, struct fr_buffer *out);
int fr_api_track(void *ctx, const struct fr_http_call *call, struct fr_buffer *out);
int fr_api_sessions(void *ctx, const struct fr_http_call *call, struct fr_buffer *out);
int fr_api_alerts(void *ctx, const struct fr_http_call *call, struct fr_buffer *out);
int fr_api_connections(void *ctx, const struct fr_http_call *call, struct fr_buffer *out);
int fr_api_signals(void *ctx, const struct fr_http_call *call, struct fr_buffer *out);

#endif
