#include "fleet_api/keep_health.h"

#include <stdio.h>
#include <string.h>

#include "util/plural.h"

/* Find or add the counter of a word. */
static struct fr_keep_problem_count *health_problem(struct fr_keep_health *h, const char *word)
{
    size_t i;

    for (i = 0; i < h->problem_words; i++)
        if (strcmp(h->problems[i].word, word) == 0)
            return &h->problems[i];
    if (i == FR_KEEP_HEALTH_WORDS + 1)
        return &h->problems[FR_KEEP_HEALTH_WORDS];
    if (i == FR_KEEP_HEALTH_WORDS)
        word = "other";
    snprintf(h->problems[i].word, sizeof h->problems[i].word, "%s", word);
    h->problem_words++;
    return &h->problems[i];
}

static void health_add_vehicle(struct fr_keep_health *h, const struct fr_state_vehicle *v,
                               int64_t now_ms)
{
    h->vehicles++;
    if (v->problem[0] != '\0') {
        health_problem(h, v->problem)->vehicles++;
        return;
    }
    if (v->pushed_ms == 0)
        return;
    if (h->first_exp_s == 0 || v->exp_s < h->first_exp_s)
        h->first_exp_s = v->exp_s;
    if (v->exp_s <= now_ms / 1000)
        return;
    h->valid++;
    h->waiting += v->synced_ms == 0;
    if (h->oldest_push_ms == 0 || v->pushed_ms < h->oldest_push_ms)
        h->oldest_push_ms = v->pushed_ms;
}

/* Whether `keep` does not run any more, or never did although a vehicle has had its configuration
 * for so long. */
static bool health_keep_is_missing(const struct fr_state *state, int64_t since_push_ms,
                                   int64_t now_ms)
{
    int64_t last_ms = state->run_ms != 0 ? state->run_ms : since_push_ms;

    return last_ms != 0 && now_ms - last_ms > FR_KEEP_HEALTH_RUN_MS;
}

static const struct fr_state_vehicle *health_first_problem(const struct fr_state *state)
{
    for (size_t i = 0; i < state->vehicle_count; i++)
        if (state->vehicles[i].problem[0] != '\0')
            return &state->vehicles[i];
    return NULL;
}

static void health_explain(struct fr_keep_health *h, const struct fr_state *state, int64_t now_ms)
{
    const struct fr_state_vehicle *problem = health_first_problem(state);

    if (state->login_required)
        snprintf(h->why, sizeof h->why,
                 "the owner's consent was revoked or has ended; run `fleetroute setup`");
    else if (health_keep_is_missing(state, h->oldest_push_ms, now_ms))
        snprintf(h->why, sizeof h->why,
                 "`fleetroute keep` has not run for two days; start fleetroute-keep.timer, or run "
                 "it from cron");
    else if (state->over_budget)
        snprintf(h->why, sizeof h->why,
                 "the signals of vehicles cost more than `tesla: budget`; route fewer fields, or "
                 "raise the budget");
    else if (state->failure[0] != '\0')
        snprintf(h->why, sizeof h->why, "`fleetroute keep` failed: %s", state->failure);
    else if (h->first_exp_s != 0 && h->first_exp_s <= now_ms / 1000)
        snprintf(h->why, sizeof h->why,
                 "the configuration of a vehicle has expired; run `fleetroute keep`");
    else if (problem != NULL)
        snprintf(h->why, sizeof h->why, "%zu of %zu vehicle%s: %s%s%s", h->vehicles - h->valid,
                 h->vehicles, fr_plural(h->vehicles), problem->problem,
                 problem->remedy[0] != '\0' ? ": " : "", problem->remedy);
    h->warning = h->why[0] != '\0';
}

void fr_keep_health(const struct fr_state *state, int64_t now_ms, struct fr_keep_health *health)
{
    *health = (struct fr_keep_health){0};
    for (size_t i = 0; i < state->vehicle_count; i++)
        health_add_vehicle(health, &state->vehicles[i], now_ms);
    health_explain(health, state, now_ms);
}
