/*
 * Summarises FOLDER/state.json for the status and the metrics: what vehicles have, and whether the
 * upkeep works. Pure functions, without files and clock.
 */
#ifndef FR_KEEP_HEALTH_H
#define FR_KEEP_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleet_api/state.h"

/* A run of `keep` is missing after this time; the timer starts one every 15 minutes. */
#define FR_KEEP_HEALTH_RUN_MS (INT64_C(48) * 3600 * 1000)
/* Max different problems that are counted by their own word; further ones count as "other". */
#define FR_KEEP_HEALTH_WORDS 16

struct fr_keep_problem_count {
    char word[32];
    size_t vehicles;
};

struct fr_keep_health {
    size_t vehicles; /* in the state */
    size_t valid;    /* accepted, not expired, without a problem */
    size_t waiting;  /* of these: not yet seen in the vehicle */
    struct fr_keep_problem_count problems[FR_KEEP_HEALTH_WORDS + 1];
    size_t problem_words;
    int64_t oldest_push_ms; /* of the valid ones, ms since 1970; 0: none */
    int64_t first_exp_s;    /* of the accepted ones, s since 1970; 0: none */
    bool warning;
    char why[1024]; /* for `warning`: the cause and the remedy; otherwise "" */
};

/* Summarise the state at `now_ms`. Any thread. */
void fr_keep_health(const struct fr_state *state, int64_t now_ms, struct fr_keep_health *health);

#endif
