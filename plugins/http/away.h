/*
 * The time while the server is away or refuses every request. One delivery is kept and sent again and
 * again, alone; all others wait in the core. The sink is up again when the server accepts a request.
 *
 * That delivery may be the cause itself, such as one that makes the server fail with status 500.
 * Therefore, after some attempts, another delivery, the witness, is sent between them. If the server
 * accepts the witness and fails again at the first one, this one is refused, and the sink goes on.
 *
 * Everything runs on the sink's thread.
 */
#ifndef FR_HTTP_AWAY_H
#define FR_HTTP_AWAY_H

#include <stdbool.h>
#include <stdint.h>

#include "fleetroute/plugin.h"
#include "http/verdict.h"

struct http_sink;
struct away;

/* NULL: no memory. The caller frees it; NULL is permitted there. */
struct away *away_new(struct http_sink *sink);
void away_free(struct away *away);

bool away_is_active(const struct away *away);

/* Keep a delivery and report the sink as down, with `why`. The next attempt is after `pause_ms`, or
 * after a short pause. If the sink is down already, this is away_return(). */
void away_begin(struct away *away, struct fr_delivery *delivery, enum http_verdict verdict,
                const char *why, int64_t pause_ms);

/* While the server is away: report FR_RETRY for a delivery, or keep it. */
void away_return(struct away *away, struct fr_delivery *delivery);

/* The sink is about to stop: report FR_RETRY for all that is kept. */
void away_flush(struct away *away);

#endif
