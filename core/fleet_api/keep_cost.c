#include "fleet_api/keep_cost.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fleet_api/vehicle_cost.h"

#define MONTH_DAYS 30
#define REQUESTS_PER_USD 500 /* Tesla's price of data requests, August 2026 */

bool fr_keep_is_due(int64_t last_ms, int64_t every_ms, int64_t now_ms)
{
    if (last_ms > now_ms + every_ms)
        return true;
    return now_ms - last_ms >= every_ms;
}

static int keep_month(int64_t now_ms)
{
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm utc;

    if (gmtime_r(&seconds, &utc) == NULL)
        return 0;
    return (utc.tm_year + 1900) * 12 + utc.tm_mon;
}

double fr_keep_expected_usd(const struct fr_state *state, const char *config, double estimate_usd)
{
    for (size_t i = 0; state->measured && i < state->vehicle_count; i++)
        if (state->vehicles[i].pushed_ms != 0 && strcmp(state->vehicles[i].config, config) == 0)
            return state->projected_usd;
    return estimate_usd;
}

bool fr_keep_count_due(const struct fr_state *state, int64_t now_ms)
{
    return fr_keep_is_due(state->counted_ms, FR_KEEP_COUNT_MS, now_ms);
}

void fr_keep_month_begin(struct fr_state *state, int64_t now_ms)
{
    int month = keep_month(now_ms);

    if (month == state->requests_month)
        return;
    state->requests_month = month;
    state->requests = 0;
    state->month_signals = 0;
    state->measured_from_ms = now_ms;
    state->measured_base_usd = 0;
}

double fr_keep_month_usd(const struct fr_state *state)
{
    return fr_vehicle_cost_usd((double)state->month_signals) +
           (double)state->requests / REQUESTS_PER_USD;
}

void fr_keep_measure_again(struct fr_state *state, int64_t now_ms)
{
    state->measured = false;
    state->measured_from_ms = now_ms;
    state->measured_base_usd = fr_keep_month_usd(state);
}

void fr_keep_count_enter(struct fr_state *state, uint64_t signals, uint64_t next, int64_t now_ms)
{
    double days;

    fr_keep_month_begin(state, now_ms);
    if (state->measured_from_ms == 0 || state->measured_from_ms > now_ms)
        fr_keep_measure_again(state, now_ms);
    state->month_signals += signals;
    state->counted_next = next;
    state->counted_ms = now_ms;
    days = (double)(now_ms - state->measured_from_ms) / (double)FR_KEEP_DAY_MS;
    if (days < FR_KEEP_MEASURE_DAYS)
        return;
    state->projected_usd =
        (fr_keep_month_usd(state) - state->measured_base_usd) * MONTH_DAYS / days;
    if (!(state->projected_usd >= 0))
        state->projected_usd = 0;
    state->measured = true;
}

void fr_keep_budget_text(const struct fr_state *state, double expected_usd, double budget_usd,
                         char *text, size_t size)
{
    double month_usd = fr_keep_month_usd(state);

    if (month_usd > budget_usd)
        snprintf(text, size,
                 "this month has cost US$ %.2f, over `tesla: budget` (US$ %.2f): nothing is pushed "
                 "until the next month; route fewer fields, or raise the budget, and Tesla's "
                 "billing limit too",
                 month_usd, budget_usd);
    else
        snprintf(
            text, size,
            "a month is projected to cost US$ %.2f, over `tesla: budget` (US$ %.2f): nothing "
            "is pushed; route fewer fields, or raise the budget, and Tesla's billing limit too",
            expected_usd, budget_usd);
}
