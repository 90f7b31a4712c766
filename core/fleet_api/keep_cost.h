/*
 * The price of a month: signals that `keep` counted in the journal, and requests. Pure functions.
 * Source of the prices: Tesla's billing page, August 2026.
 */
#ifndef FR_KEEP_COST_H
#define FR_KEEP_COST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleet_api/state.h"

#define FR_KEEP_HOUR_MS (INT64_C(3600) * 1000)
#define FR_KEEP_DAY_MS (24 * FR_KEEP_HOUR_MS)

/* Whether `every_ms` have passed since `last_ms`. A time in the future comes from a wrong clock;
 * it counts if it is at most one interval away. */
bool fr_keep_is_due(int64_t last_ms, int64_t every_ms, int64_t now_ms);

/* Count the journal, without a request. */
#define FR_KEEP_COUNT_MS (6 * FR_KEEP_HOUR_MS)
/* Days counted before the projection of a month from the journal counts: one long drive is no month. */
#define FR_KEEP_MEASURE_DAYS 3
/* Price of a month in US$ if `config` is pushed: what the journal measured while vehicles had this
 * configuration, otherwise `estimate_usd`. */
double fr_keep_expected_usd(const struct fr_state *state, const char *config, double estimate_usd);

/* Whether the journal is to be counted in this run. */
bool fr_keep_count_due(const struct fr_state *state, int64_t now_ms);

/* Enter signals counted from record `state->counted_next` up to `next`. A new month begins at zero.
 * Sets projected_usd: signals and requests of this month, projected to 30 days once
 * FR_KEEP_MEASURE_DAYS are counted. */
void fr_keep_count_enter(struct fr_state *state, uint64_t signals, uint64_t next, int64_t now_ms);

/* Begin the projection again, because vehicles get another configuration. */
void fr_keep_measure_again(struct fr_state *state, int64_t now_ms);

/* Cost of this month up to now in US$: counted signals and requests. */
double fr_keep_month_usd(const struct fr_state *state);

/* Begin a new month in the state if `now_ms` is in another one (UTC): requests and signals are 0. */
void fr_keep_month_begin(struct fr_state *state, int64_t now_ms);

/* Why nothing is pushed, with the remedy: this month has cost more than the budget, or
 * `expected_usd` is more. `text` gets max `size` bytes. */
void fr_keep_budget_text(const struct fr_state *state, double expected_usd, double budget_usd,
                         char *text, size_t size);

#endif
