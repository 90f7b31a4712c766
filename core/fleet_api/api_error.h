/*
 * What failed in a call of the Fleet API, as a cause that programs can test and a message with the
 * remedy for the owner.
 */
#ifndef FR_API_ERROR_H
#define FR_API_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#include "fleet_api/http_client.h"
#include "util/error.h"

enum fr_api_cause {
    FR_API_OK,
    FR_API_LOCAL,          /* a file, the key or the configuration here */
    FR_API_NETWORK,        /* no complete answer: name, connection, TLS, time-out */
    FR_API_CLOCK,          /* the clock here differs from the server's by minutes */
    FR_API_TOKEN_EXPIRED,  /* 401: the access token ended; refresh it */
    FR_API_LOGIN_REQUIRED, /* the refresh token ended or consent was revoked: the owner logs in */
    FR_API_CLIENT,         /* the application, its secret or its grant type is refused */
    FR_API_SCOPE,          /* 403: the owner did not grant a scope */
    FR_API_LIMIT,          /* 403 EXCEEDED_LIMIT: billing limit; configurations were removed */
    FR_API_NOT_FOUND,      /* 404: vehicle sold, driver's account or other region */
    FR_API_ASLEEP,         /* 408 */
    FR_API_UNREGISTERED,   /* 412: domain not registered in this region, origin or key mismatch */
    FR_API_WRONG_REGION,   /* 421 */
    FR_API_KEY_NOT_SERVED, /* 424: Tesla could not fetch the public key */
    FR_API_KEY_TAKEN,      /* the key is registered with another application */
    FR_API_RATE,           /* 429 */
    FR_API_SERVER,         /* 5xx */
    FR_API_REFUSED,        /* 400 and other 4xx: the request, e.g. an unknown field */
    FR_API_MALFORMED,      /* the answer is not what Tesla documents */
};

struct fr_api_error {
    enum fr_api_cause cause;
    int status;            /* HTTP; 0: no answer */
    int64_t retry_after_s; /* pause that the server asks for; -1: none */
    struct fr_error error; /* cause and remedy, without secrets and control characters */
};

/* The word for a cause: "network", "login_required", "exceeded_limit", …; static text. */
const char *fr_api_cause_name(enum fr_api_cause cause);

/* Whether the same request may succeed later without the owner's help. */
bool fr_api_cause_is_temporary(enum fr_api_cause cause);

/* Whether a failed request about one vehicle can be due to that vehicle: the same request about another
 * one may succeed. */
bool fr_api_cause_may_be_of_vehicle(enum fr_api_cause cause);

/* Translate an answer whose status is not 2xx. `what` names the call, e.g. "list vehicles". Always
 * returns -1, for `return fr_api_error_from(...)`. */
int fr_api_error_from(struct fr_api_error *error, const char *what,
                      const struct fr_http_response *response);

/* Set a cause and its message from a printf(3) format. Always returns -1. */
int fr_api_error_set(struct fr_api_error *error, enum fr_api_cause cause, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
