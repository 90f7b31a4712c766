/*
 * Decides what one run of `fleetroute keep` does: which requests are due, for which vehicle, and why.
 * Pure functions, without files, network and clock.
 *
 * Source of the rules: a refresh token ends after three months without use; a vehicle stops at `exp`;
 * Tesla removes configurations at the billing limit and when the owner revokes consent, and does not
 * restore them; requests answered below 500 are billed.
 */
#ifndef FR_KEEP_PLAN_H
#define FR_KEEP_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleet_api/keep_cost.h"
#include "fleet_api/state.h"

/* How often each thing is done. A run in which none is due makes no request.
 *
 * Refresh of the tokens, not billed: at this age of the refresh token. The token is valid for 90 days, so
 * 60 days remain for retries. The access token is refreshed by each run that makes other requests. */
#define FR_KEEP_REFRESH_MS (30 * FR_KEEP_DAY_MS)
/* Push before `exp`: when less than half of `expires` remains, at most this long before. With the
 * default of 30 days that is one push in 20 days, and 10 days for retries. */
#define FR_KEEP_RENEW_MAX_MS (10 * FR_KEEP_DAY_MS)
/* Read back the configuration of a vehicle, one billed request: detects that Tesla removed it. */
#define FR_KEEP_CHECK_MS FR_KEEP_DAY_MS
/* Max read-backs of one run, those that have waited longest: about a minute. With a run every 15
 * minutes that is 4,800 vehicles a day. */
#define FR_KEEP_CHECKS_MAX 50
/* Read back again after an answer that was refused or malformed. Longer than the longest back-off of
 * such a failure, so that the upkeep of other vehicles has its turn. */
#define FR_KEEP_CHECK_FAILED_MS (12 * FR_KEEP_HOUR_MS)
/* First read-back after a push: the vehicle takes the configuration when it is awake. */
#define FR_KEEP_CHECK_PUSHED_MS FR_KEEP_HOUR_MS
/* Push again to a vehicle that Tesla skipped or that did not take the configuration, e.g. because
 * its slots were full or its key was not paired. */
#define FR_KEEP_REFUSED_MS FR_KEEP_DAY_MS
/* Try whether consent was granted again, with one token request, not billed. */
#define FR_KEEP_LOGIN_MS FR_KEEP_DAY_MS
/* Longest back-off. A time further in the future is cut to it. */
#define FR_KEEP_BLOCK_MAX_MS FR_KEEP_DAY_MS

/* Words of fr_state_vehicle.problem that `keep` sets. */
#define FR_KEEP_PROBLEM_REMOVED "removed"           /* Tesla removed an accepted configuration */
#define FR_KEEP_PROBLEM_REFUSED "limit_reached"     /* accepted by Tesla, refused by the vehicle */
#define FR_KEEP_PROBLEM_NOT_FOUND "not_found"       /* 404: sold, or another account's */
#define FR_KEEP_PROBLEM_OVER_BUDGET "over_budget"   /* removed by `keep` */
#define FR_KEEP_PROBLEM_UNLISTED "unlisted"         /* no longer in routing.yaml */
#define FR_KEEP_PROBLEM_BY_OWNER "removed_by_owner" /* by `push --remove`; nothing is done */
#define FR_KEEP_PROBLEM_CHECK "check_failed"        /* its configuration cannot be read back */
#define FR_KEEP_PROBLEM_UNKNOWN "unknown"           /* has a configuration; the state was lost */

enum fr_keep_kind {
    FR_KEEP_REFRESH, /* the tokens */
    FR_KEEP_CHECK,   /* read back the configuration of `vin` */
    FR_KEEP_REMOVE,  /* the configuration of `vin` */
    FR_KEEP_PUSH,    /* to `vin`; all pushes of a run are one request */
};

enum fr_keep_reason {
    FR_KEEP_TOKEN_AGE,   /* the refresh token is 30 days old, or its age is unknown */
    FR_KEEP_LOGIN,       /* consent may have been granted again */
    FR_KEEP_DAILY,       /* the daily read-back */
    FR_KEEP_AFTER_PUSH,  /* the read-back after a push */
    FR_KEEP_OVER_BUDGET, /* the signals of this month cost more than the budget */
    FR_KEEP_UNKNOWN,     /* Tesla has a configuration that the state does not have */
    FR_KEEP_NEW,         /* the vehicle is new in routing.yaml, or back in the budget */
    FR_KEEP_WAS_REMOVED, /* Tesla removed the configuration */
    FR_KEEP_REFUSED,     /* Tesla or the vehicle refused the last one; the owner may have helped */
    FR_KEEP_KEY,         /* another command key */
    FR_KEEP_CA,          /* its `ca` does not verify this server, or `tesla: ca:` changed */
    FR_KEEP_ROUTES,      /* routing.yaml or the host name asks for other data */
    FR_KEEP_EXPIRY,      /* `exp` is near */
};

/* Why no request is made at all. */
enum fr_keep_hold {
    FR_KEEP_FREE,
    FR_KEEP_NO_TOKENS,    /* `setup` has not been run */
    FR_KEEP_NEEDS_LOGIN,  /* consent was revoked or ran out */
    FR_KEEP_BLOCKED,      /* back-off after a failure */
    FR_KEEP_NEVER_PUSHED, /* no vehicle has had a push: `setup` is not finished, or the state was
                             lost; only checks are made */
};

struct fr_keep_input {
    const struct fr_state *state;
    int64_t now_ms;
    bool has_tokens;
    int64_t refresh_issued_ms; /* of the refresh token; 0: unknown */
    int64_t expires_ms;        /* settings of the section `tesla:` */
    int64_t push_every_ms;
    double budget_usd;
    double expected_usd; /* a month of what would be pushed, as fr_keep_expected_usd() */
    /* Of the push plan. `config` NULL: the plan has an error, nothing is pushed. */
    const char *config, *ca_file, *key;
    char (*accepted)[65]; /* digests of the pushed `ca` that verify this server */
    size_t accepted_count;
    const char *const *vins;
    size_t vin_count;
};

struct fr_keep_action {
    enum fr_keep_kind kind;
    enum fr_keep_reason reason;
    char vin[18]; /* "" for the tokens */
};

struct fr_keep_plan {
    enum fr_keep_hold hold;
    int64_t until_ms; /* the next attempt, if held; 0: after the owner's action */
    bool over_budget; /* nothing is pushed, or configurations are removed, because of the budget */
    struct fr_keep_action *actions; /* in the order in which they are done */
    size_t count;
};

/* Decide. The caller frees the plan with fr_keep_plan_free(). Any thread. */
void fr_keep_plan_make(struct fr_keep_plan *plan, const struct fr_keep_input *input);
void fr_keep_plan_free(struct fr_keep_plan *plan);

/* Whether a vehicle has had a push: the upkeep has begun. */
bool fr_keep_has_begun(const struct fr_state *state);

/* Tesla removed the configurations of all vehicles, because of the billing limit or because consent
 * was revoked: mark those that had one. */
void fr_keep_mark_removed(struct fr_state *state, const char *remedy);

/* Mark the vehicles of the state that are not among `vins`, and unmark those that are again. One that
 * is not listed and has no configuration, or is not found, leaves the state. */
void fr_keep_mark_unlisted(struct fr_state *state, const char *const *vins, size_t count);

/* Set the problem of a vehicle. NULL: none. */
void fr_keep_set_problem(struct fr_state_vehicle *vehicle, const char *problem, const char *remedy);

/* The reason as part of a sentence, e.g. "its expiry is near"; static text. */
const char *fr_keep_reason_text(enum fr_keep_reason reason);

#endif
