/*
 * Outcomes and health, from the answers of the server. Everything runs on the sink's thread.
 */
#ifndef FR_HTTP_OUTCOMES_H
#define FR_HTTP_OUTCOMES_H

#include <stddef.h>

#include "fleetroute/plugin.h"
#include "http/transfers.h"
#include "http/verdict.h"

struct http_sink;

/* The opinion on an answer, and in `why` the answer with the remedy, for people. */
struct http_opinion outcome_opinion(const struct answer *answer, char *why, size_t why_size);

/* Report FR_DONE for these. */
void outcome_done(struct http_sink *sink, struct fr_delivery *const *deliveries, size_t count);

/* Report FR_REFUSED for a delivery, with the reason and the remedy. */
void outcome_refused(struct http_sink *sink, struct fr_delivery *delivery, const char *why);

/* Report FR_REFUSED for a delivery whose route has a `format:` that cannot be used. */
void outcome_unfit(struct http_sink *sink, struct fr_delivery *delivery);

/* Remember that the server has accepted a request. */
void outcome_succeeded(struct http_sink *sink);

void outcome_report_up(struct http_sink *sink);
void outcome_report_down(struct http_sink *sink, const char *why);

#endif
