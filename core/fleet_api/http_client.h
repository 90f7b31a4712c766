/*
 * HTTPS requests to Tesla, on libcurl. Each request has a time limit; the server's certificate is
 * verified; redirects are not followed; the body of an answer is bounded.
 */
#ifndef FR_HTTP_CLIENT_H
#define FR_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleet_api/http_response.h"
#include "util/error.h"

/* Max bytes of the body of an answer. A longer answer is an error. */
#define FR_HTTP_BODY_MAX 4000000
/* Time limits of one request. */
#define FR_HTTP_CONNECT_MS 10000
#define FR_HTTP_TOTAL_MS 30000
/* Max bytes of all header fields of an answer. */
#define FR_HTTP_HEADERS_MAX 65536

struct fr_http_client;

/* A request. Texts belong to the caller and must stay valid during the request. */
struct fr_http_request {
    const char *method;       /* "GET", "POST" or "DELETE" */
    const char *url;          /* https:// */
    const char *bearer;       /* access token; NULL: none. Secret */
    const char *content_type; /* of the body; NULL: no body */
    const char *body;         /* may be secret */
    size_t len;
};

/* Create a client. `ca` is the path of a PEM file that replaces the system's CAs; NULL: the
 * system's. NULL: `error` is set. Not shared by threads. The caller frees it with
 * fr_http_client_free(). */
struct fr_http_client *fr_http_client_new(const char *ca, struct fr_error *error);
void fr_http_client_free(struct fr_http_client *client);

/* Change the time limit of a request, e.g. for tests; FR_HTTP_TOTAL_MS before the first call. Max half
 * of it is spent on the connection. */
void fr_http_client_set_limit(struct fr_http_client *client, int64_t total_ms);

/* How far the clock here is ahead of the last answer's Date, in ms; 0: no answer had one. */
int64_t fr_http_client_clock_offset_ms(const struct fr_http_client *client);

/* Whether the last request failed because the server's certificate is not valid at the time here. */
bool fr_http_client_clock_failed(const struct fr_http_client *client);

/* Allow http:// too, for a server in the owner's own network: tokens of Tesla are never sent to it. */
void fr_http_client_allow_plain(struct fr_http_client *client);

/* Make a request and wait for the answer, max the time limit. Any HTTP status is a success.
 * Returns 0; the caller frees the response with fr_http_response_free(). Returns -1 with the host,
 * the cause and the remedy in `error` (never a secret) if there is no complete answer. */
int fr_http_request(struct fr_http_client *client, const struct fr_http_request *request,
                    struct fr_http_response *response, struct fr_error *error);

#endif
