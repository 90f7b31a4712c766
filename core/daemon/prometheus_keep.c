#include "daemon/prometheus_keep.h"

#include "daemon/prometheus_text.h"
#include "fleet_api/keep_plan.h"
#include "util/clock.h"

/* Seconds since a time in ms since 1970; 0: it is not known. */
static double keep_age(int64_t then_ms)
{
    int64_t now_ms = fr_wall_ms();

    return then_ms == 0 || then_ms > now_ms ? 0 : (double)(now_ms - then_ms) / 1000;
}

static void keep_put_run(const struct fr_upkeep_status *s, struct fr_buffer *out)
{
    fr_prometheus_number(out, "fleetroute_keep_up", "gauge",
                         "1: upkeep of tokens and configurations works; 0: it needs the owner.",
                         s->health.warning ? 0 : 1);
    fr_prometheus_number(out, "fleetroute_keep_run_timestamp_seconds", "gauge",
                         "Last run of `fleetroute keep`, in seconds since 1970; 0: never.",
                         (double)s->state->run_ms / 1000);
    fr_prometheus_number(out, "fleetroute_keep_success_timestamp_seconds", "gauge",
                         "Last run of `fleetroute keep` without a failure; 0: never.",
                         (double)s->state->success_ms / 1000);
    fr_prometheus_number(out, "fleetroute_keep_login_required", "gauge",
                         "1: consent was revoked or has ended.", s->state->login_required);
    fr_prometheus_number(out, "fleetroute_keep_blocked_until_timestamp_seconds", "gauge",
                         "No request before this time after a failure, in seconds since 1970.",
                         (double)s->state->blocked_until_ms / 1000);
    fr_prometheus_number(out, "fleetroute_token_age_seconds", "gauge",
                         "Age of the refresh token; 0: none. It ends after 90 days.",
                         keep_age(s->state->refresh_ms));
}

static void keep_put_cost(const struct fr_upkeep_status *s, double budget_usd,
                          struct fr_buffer *out)
{
    fr_prometheus_number(out, "fleetroute_api_requests_month", "gauge",
                         "Requests to the Fleet API in this month (UTC).",
                         (double)s->state->requests);
    fr_prometheus_number(out, "fleetroute_spend_month_usd", "gauge",
                         "Price of the signals and requests of this month up to now, in US$.",
                         fr_keep_month_usd(s->state));
    fr_prometheus_number(out, "fleetroute_spend_projected_usd", "gauge",
                         "Price of a month, projected or estimated, in US$; -1: unknown.",
                         s->state->projected_usd < 0 ? -1 : s->state->projected_usd);
    fr_prometheus_number(out, "fleetroute_spend_budget_usd", "gauge", "The budget, in US$.",
                         budget_usd);
    fr_prometheus_number(out, "fleetroute_spend_over_budget", "gauge",
                         "1: configurations were removed or not pushed because of the budget.",
                         s->state->over_budget);
}

static void keep_put_vehicles(const struct fr_keep_health *h, struct fr_buffer *out)
{
    fr_prometheus_number(out, "fleetroute_config_vehicles", "gauge",
                         "Vehicles whose configuration `fleetroute keep` renews.",
                         (double)h->vehicles);
    fr_prometheus_number(out, "fleetroute_config_valid_vehicles", "gauge",
                         "Vehicles with an accepted configuration that has not expired.",
                         (double)h->valid);
    fr_prometheus_number(out, "fleetroute_config_waiting_vehicles", "gauge",
                         "Of these, vehicles that have not taken it yet.", (double)h->waiting);
    fr_prometheus_number(out, "fleetroute_config_age_seconds", "gauge",
                         "Age of the oldest valid configuration; 0: none.",
                         keep_age(h->oldest_push_ms));
    fr_prometheus_number(out, "fleetroute_config_expiry_timestamp_seconds", "gauge",
                         "First expiry of a configuration, in seconds since 1970; 0: none.",
                         (double)h->first_exp_s);
    fr_prometheus_head(out, "fleetroute_config_problem_vehicles", "gauge",
                       "Vehicles without a valid configuration, by problem.");
    for (size_t i = 0; i < h->problem_words; i++) {
        fr_buffer_text(out, "fleetroute_config_problem_vehicles{");
        fr_prometheus_label(out, "problem", h->problems[i].word);
        fr_buffer_printf(out, "} %zu\n", h->problems[i].vehicles);
    }
}

void fr_prometheus_put_keep(struct fr_upkeep *upkeep, const struct fr_tesla_config *tesla,
                            struct fr_buffer *out)
{
    struct fr_upkeep_status status;

    if (!fr_upkeep_status(upkeep, tesla, &status))
        return;
    keep_put_run(&status, out);
    keep_put_cost(&status, tesla->budget_usd, out);
    keep_put_vehicles(&status.health, out);
}
