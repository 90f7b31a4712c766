/*
 * Pushes the configuration of a plan to vehicles, reads back what they have, and records both in the
 * state. Used by the commands push, setup and keep. The caller holds the lock of tokens.h and writes
 * the state.
 */
#ifndef FR_PUSH_H
#define FR_PUSH_H

#include "fleet_api/api.h"
#include "fleet_api/push_plan.h"
#include "fleet_api/state.h"
#include "fleet_api/vehicle_state.h"

/* Post the configuration to these VINs of the plan, all in one request. verdicts[i] is WAITING or the
 * reason why Tesla skipped vins[i]. Refuses if the clock is off by more than 5 minutes or `state` is
 * blocked. Updates `state`: pushed_ms, exp_s, digests, problem; and blocked_* on EXCEEDED_LIMIT and
 * 429. Returns 0 if Tesla answered, also if it skipped vehicles; -1 with `error` set. */
int fr_push_post(struct fr_api *api, const struct fr_push_plan *plan, struct fr_state *state,
                 const char *const *vins, size_t count, int64_t now_ms,
                 struct fr_vehicle_verdict *verdicts, struct fr_api_error *error);

/* Read back the configuration of one vehicle, compare it with the plan, update the vehicle in
 * `state`. Returns 0 with the verdict, or -1 with `error` set. */
int fr_push_check(struct fr_api *api, const struct fr_push_plan *plan, struct fr_state *state,
                  const char *vin, int64_t now_ms, struct fr_vehicle_verdict *verdict,
                  struct fr_api_error *error);

/* Remove the configuration of one vehicle and its entry in `state`. Returns 0, or -1 with `error`
 * set. */
int fr_push_remove(struct fr_api *api, struct fr_state *state, const char *vin,
                   struct fr_api_error *error);

/* Record a failed call in `state`: blocked_until_ms from Retry-After or the back-off of the cause
 * (EXCEEDED_LIMIT: 1 h doubling to 24 h; 429 and 5xx: 1 min doubling to 6 h; others: 5 min doubling to
 * 6 h), login_required, failure. A success resets them. Pure, apart from `state`. */
void fr_push_record_failure(struct fr_state *state, const struct fr_api_error *error,
                            int64_t now_ms);
void fr_push_record_success(struct fr_state *state, int64_t now_ms);

#endif
