/*
 * What the commands push, pair, setup and keep did last, in FOLDER/state.json. Has no secrets: the
 * daemon reads the file for /status and /metrics, `doctor` for its checks. Written under the lock of
 * tokens.h, in one step, mode 0640 with the group of the service user.
 */
#ifndef FR_STATE_H
#define FR_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

#define FR_STATE_VEHICLES_MAX 100000

struct fr_state_vehicle {
    char vin[18];
    int64_t pushed_ms;  /* last accepted push, ms since 1970; 0: never */
    int64_t exp_s;      /* `exp` of that configuration, s since 1970 */
    int64_t synced_ms;  /* when it was first seen synced with an equal configuration; 0: not yet */
    int64_t tried_ms;   /* last push, accepted or not; 0: never. Written before the request */
    int64_t checked_ms; /* when its configuration was last read back; 0: never */
    bool waiting;       /* Tesla has it, and the vehicle has not taken it yet */
    char config[65];    /* SHA-256 of the pushed configuration without `exp`, in hex; "": none */
    char ca[65];        /* SHA-256 of its `ca`, in hex; pushed_ca.h has the file */
    char former_ca[65]; /* of the `ca` that the vehicle has until it takes this one; "": none */
    char ca_file[65];   /* SHA-256 of the file `tesla: ca:` at the push; "": none */
    char key[65];       /* SHA-256 of the public key (SubjectPublicKeyInfo), in hex */
    char problem[32];   /* "": none; else a word: missing_key, unsupported_firmware,
                             unsupported_hardware, max_configs, limit_reached, not_found, removed, … */
    char remedy[256];   /* for `problem` */
};

struct fr_state {
    int64_t updated_ms;       /* when written; set by fr_state_write() */
    int64_t run_ms;           /* last run of keep; 0: never */
    int64_t success_ms;       /* last run of keep without a failure; 0: never */
    int64_t tried_ms;         /* last run of keep that made a request; 0: never */
    int64_t refresh_ms;       /* when the refresh token was received; 0: none */
    bool login_required;      /* consent was revoked or ran out */
    int64_t blocked_until_ms; /* no call before this time; 0: none */
    unsigned failures;        /* in a row; determines the next back-off */
    char blocked[32];         /* fr_api_cause_name() of the reason; "": none */
    char failure[512];        /* last failure with its remedy; "": none */
    uint64_t requests;        /* to the Fleet API, since `requests_month` began */
    int requests_month;       /* year * 12 + month - 1, UTC */
    double projected_usd;     /* of a month, all vehicles; < 0: unknown */
    bool measured;            /* projected_usd is from the journal, not an estimate */
    bool over_budget;
    /* Signals of this month (`requests_month`) that `keep` counted in the journal. */
    uint64_t month_signals;
    int64_t measured_from_ms;          /* when the measurement of projected_usd began; 0: not yet */
    double measured_base_usd;          /* price of this month up to then */
    int64_t counted_ms;                /* when the journal was last counted; 0: never */
    uint64_t counted_next;             /* number of the next record to count */
    struct fr_state_vehicle *vehicles; /* sorted by VIN */
    size_t vehicle_count;
};

/* Read the state of a folder. A missing file is an empty state. Unknown members are ignored, numbers
 * and texts are range-checked. Returns 0, or -1 with `error` set. The caller frees the state with
 * fr_state_free(). Any thread. */
int fr_state_read(const char *folder, struct fr_state *state, struct fr_error *error);

/* Write the state in one step. `group`: the group that may read it, -1: the group of this process.
 * Returns 0, or -1 with `error` set; the old file stays whole. */
int fr_state_write(const char *folder, struct fr_state *state, int64_t now_ms, int group,
                   struct fr_error *error);
void fr_state_free(struct fr_state *state);

/* The vehicle with this VIN; NULL: there is none. Valid until the next fr_state_vehicle() with
 * `add`. */
const struct fr_state_vehicle *fr_state_find(const struct fr_state *state, const char *vin);

/* The vehicle with this VIN; if missing, NULL or, with `add`, a new one. Valid until the next call
 * with `add`. */
struct fr_state_vehicle *fr_state_vehicle(struct fr_state *state, const char *vin, bool add);

#endif
