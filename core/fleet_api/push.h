/*
 * Pushes the configuration of a plan to vehicles, reads back what they have, and records both in the
 * state. Used by the commands push, setup and keep. The caller holds the lock of tokens.h and writes
 * the state. One thread.
 */
#ifndef FR_PUSH_H
#define FR_PUSH_H

#include "fleet_api/api.h"
#include "fleet_api/push_plan.h"
#include "fleet_api/state.h"
#include "fleet_api/vehicle_state.h"

/* Clocks that differ more than this give a configuration with a wrong `exp`. */
#define FR_PUSH_CLOCK_MAX_MS (INT64_C(5) * 60 * 1000)
/* The longest back-off. A blocked_until_ms further in the future is cut to it: the clock may have been
 * wrong when it was written. */
#define FR_PUSH_BLOCK_MAX_MS (INT64_C(24) * 3600 * 1000)

/* fr_state_vehicle.problem after fr_push_remove(). `keep` does not push to such a vehicle. */
#define FR_PUSH_REMOVED_BY_OWNER "removed_by_owner"

/* Post the configuration to these VINs of the plan, all in one request; if one of several vehicles is
 * not found, in a request for each. verdicts[i] is WAITING, or the reason why Tesla skipped vins[i].
 * Refuses, without a post, if `state` is blocked (FR_API_RATE) or if the clock is off by more than 5
 * minutes (FR_API_CLOCK); before the first answer of `api`, one fleet_status request gets Tesla's
 * time. Updates `state`: pushed_ms, exp_s, digests, problem of the vehicles, and, unless it was
 * blocked before, the success or the failure as fr_push_record_…() below; the caller does not record
 * it again. Returns 0 if Tesla answered, also if vehicles were skipped; -1 with `error` set. */
int fr_push_post(struct fr_api *api, const struct fr_push_plan *plan, struct fr_state *state,
                 const char *const *vins, size_t count, int64_t now_ms,
                 struct fr_vehicle_verdict *verdicts, struct fr_api_error *error);

/* Read back the configuration of one vehicle, compare it with the plan, update the vehicle in
 * `state`. A vehicle that Tesla does not find is a verdict. Returns 0 with the verdict, or -1 with
 * `error` set, which is not recorded in `state`. */
int fr_push_check(struct fr_api *api, const struct fr_push_plan *plan, struct fr_state *state,
                  const char *vin, int64_t now_ms, struct fr_vehicle_verdict *verdict,
                  struct fr_api_error *error);

/* Remove the configuration of one vehicle. Its entry in `state` gets the problem
 * FR_PUSH_REMOVED_BY_OWNER. Returns 0, or -1 with `error` set and `state` unchanged. */
int fr_push_remove(struct fr_api *api, struct fr_state *state, const char *vin,
                   struct fr_api_error *error);

/* The time before which no request is made, in ms since 1970, cut to FR_PUSH_BLOCK_MAX_MS from now; 0:
 * not blocked. Pure. */
int64_t fr_push_blocked_until(const struct fr_state *state, int64_t now_ms);

/* Record a failed call in `state`: blocked_until_ms from Retry-After (after three failures in a row
 * at least the back-off), or the back-off of the cause
 * (EXCEEDED_LIMIT: 1 h doubling to 24 h; 429 and 5xx: 1 min doubling to 6 h; others: 5 min doubling to
 * 6 h), login_required, failure. A success resets them. Pure, apart from `state`. */
void fr_push_record_failure(struct fr_state *state, const struct fr_api_error *error,
                            int64_t now_ms);
void fr_push_record_success(struct fr_state *state);

/* Add requests to those of this month (UTC). Pure, apart from `state`. */
void fr_push_count_requests(struct fr_state *state, uint64_t requests, int64_t now_ms);

#endif
