/*
 * What a push needs, read from fleetroute.yaml, routing.yaml, the server's certificate and the
 * command key, and checked before any request: no network connection is made.
 */
#ifndef FR_PUSH_PLAN_H
#define FR_PUSH_PLAN_H

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#include "config/diagnostics.h"
#include "config/server_config.h"
#include "fleet_api/server_chain.h"
#include "fleet_api/vehicle_config.h"

struct fr_push_plan {
    struct fr_server_config *server;
    struct fr_routing *routing;
    struct fr_vehicle_config config;
    struct fr_server_chain chain;
    const char *domain;   /* serves the public key; NULL: unknown */
    const char *hostname; /* that vehicles dial; NULL: unknown */
    char *ca;             /* PEM for the vehicles; NULL: refused */
    char *json;           /* the inner configuration object, without exp, iss and aud */
    char config_sha[65];  /* fr_config_digest() of it */
    char ca_sha[65];
    char ca_file_sha[65]; /* of the certificates in the file `tesla: ca:`; "": none */
    EVP_PKEY *key;        /* NULL with FR_PUSH_PLAN_NO_KEY if it cannot be read */
    char key_sha[65];
    const char **vins; /* of routing.yaml */
    size_t vin_count;
    double signals, usd; /* estimate of a month, all vehicles */
};

enum {
    FR_PUSH_PLAN_NO_KEY = 1,    /* the key is not needed, e.g. for `doctor` as another user */
    FR_PUSH_PLAN_NO_BUDGET = 2, /* the caller compares with the budget, e.g. `keep` with what the
                                   journal counted */
};

/* Read and check everything: lint of the routes, granted scopes, host name in the certificate, a CA that
 * vehicles can verify (vehicle_ca.h), key apart from the TLS key, budget, at least one VIN. All mistakes
 * are appended to `diagnostics` with their position. Returns 0, or -1 if one is an error; then members
 * may be NULL, and those that are set can be used. The caller frees the plan in both cases. */
int fr_push_plan_load(struct fr_push_plan *plan, const char *path, unsigned flags,
                      struct fr_diagnostics *diagnostics);
void fr_push_plan_free(struct fr_push_plan *plan);

/* Returns the inner configuration object with `exp` (s since 1970) as compact JSON. The caller frees
 * it. */
char *fr_push_plan_claims(const struct fr_push_plan *plan, int64_t exp_s);

/* The signed token with `exp` (s since 1970). Secret only as far as it can be replayed; do not log
 * it. The caller frees it. NULL: `error` is set. */
char *fr_push_plan_token(const struct fr_push_plan *plan, int64_t exp_s, struct fr_error *error);

#endif
