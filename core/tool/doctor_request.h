/*
 * One HTTP request for `fleetroute doctor`, with the time limit of a network step.
 */
#ifndef FR_DOCTOR_REQUEST_H
#define FR_DOCTOR_REQUEST_H

#include <stdbool.h>

#include "fleet_api/http_client.h"

/* Time limit of a request, in ms. */
#define FR_DOCTOR_REQUEST_MS 10000

/* Make a request with a client of its own, as fr_http_request(). `ca` as in fr_http_client_new();
 * `is_plain`: http:// is allowed too, for a server in the owner's network. Returns 0, and the caller
 * frees the response, or -1 with `error` set. */
int fr_doctor_request(const char *ca, bool is_plain, const struct fr_http_request *request,
                      struct fr_http_response *response, struct fr_error *error);

#endif
