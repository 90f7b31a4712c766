/*
 * One call of the Fleet API: token, request, 401 and 421, and the JSON of the answer. Internal to
 * fleet_api/api*.
 */
#ifndef FR_API_REQUEST_H
#define FR_API_REQUEST_H

#include <jansson.h>
#include <stdbool.h>

#include "fleet_api/api_error.h"
#include "fleet_api/api_session.h"
#include "util/buffer.h"

struct fr_api_call {
    const char *what; /* for messages, e.g. "list vehicles" */
    const char *method;
    const char *path; /* from "/api/1/…" */
    const char *body; /* JSON; NULL: none */
    bool partner;     /* with the partner token instead of the user's */
};

/* Make a call. A 401 is repeated once with another token, a 421 at the host that it names. Returns 0
 * with the answer, a JSON object, which the caller releases; or -1 with `error` set. */
int fr_api_request(struct fr_api *api, const struct fr_api_call *call, json_t **answer,
                   struct fr_api_error *error);

/* Append the member "vins" of a body: an array of `count` VINs. */
void fr_api_put_vins(struct fr_buffer *body, const char *const *vins, size_t count);

#endif
