#include "fleet_api/api_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/http_response.h"
#include "util/json_text.h"
#include "util/memory.h"

/* Requests for one call: the first, one after 401, two after 421. */
#define MISDIRECTED_MAX 2

/* Send the request once. */
static int request_send(struct fr_api *api, const struct fr_api_call *call,
                        struct fr_http_response *response, struct fr_api_error *error)
{
    char *url = fr_asprintf("%s%s", api->base_url, call->path);
    struct fr_http_request request = {.method = call->method,
                                      .url = url,
                                      .bearer = call->partner ? api->partner : api->tokens.access,
                                      .content_type =
                                          call->body != NULL ? "application/json" : NULL,
                                      .body = call->body,
                                      .len = call->body != NULL ? strlen(call->body) : 0};
    struct fr_error problem;
    int status = fr_http_request(api->client, &request, response, &problem);

    free(url);
    if (status != 0)
        return fr_api_error_set(
            error, fr_http_client_clock_failed(api->client) ? FR_API_CLOCK : FR_API_NETWORK,
            "%s: %s", call->what, problem.text);
    if (response->status < 500)
        api->requests++;
    return 0;
}

/* Get another token after 401. */
static int request_renew(struct fr_api *api, const struct fr_api_call *call,
                         struct fr_api_error *error)
{
    if (!call->partner)
        return fr_api_session_renew(api, api->tokens.access, error);
    fr_api_session_drop_partner(api);
    return fr_api_session_partner(api, error);
}

/* The host that a 421 names, in Alt-Svc or in its text ("… use base URL: https://HOST …"). */
static void request_other_host(const struct fr_http_response *response,
                               char host[FR_HTTP_HOST_SIZE])
{
    const char *at;

    snprintf(host, FR_HTTP_HOST_SIZE, "%s", response->alternative);
    if (host[0] != '\0')
        return;
    at = strcasestr(response->body, "base url");
    at = at != NULL ? strcasestr(at, "https://") : NULL;
    if (at != NULL)
        fr_http_read_host(at, strlen(at), host);
}

/* Change to the host that a 421 names. Returns 0 if the call can be repeated there. */
static int request_follow(struct fr_api *api, const struct fr_api_call *call,
                          const struct fr_http_response *response, struct fr_api_error *error)
{
    char host[FR_HTTP_HOST_SIZE], *url;

    request_other_host(response, host);
    if (host[0] == '\0' || api->region_is_fixed)
        return fr_api_error_from(error, call->what, response);
    if (!fr_api_session_trusts(api, host)) {
        fr_api_error_set(error, FR_API_WRONG_REGION,
                         "%s: the server names %s as the host of the account's region (HTTP 421), "
                         "which is not Tesla's; check `tesla: base_url`, and for a proxy between "
                         "here and Tesla",
                         call->what, host);
        error->status = response->status;
        return -1;
    }
    url = fr_asprintf("https://%s", host);
    fr_api_session_move(api, url);
    free(url);
    return call->partner ? fr_api_session_partner(api, error) : 0;
}

static int request_parse(const struct fr_api_call *call, const struct fr_http_response *response,
                         json_t **answer, struct fr_api_error *error)
{
    json_error_t problem;

    *answer = !fr_http_response_is_dense(response)
                  ? json_loadb(response->body, response->len, 0, &problem)
                  : NULL;
    if (json_is_object(*answer))
        return 0;
    json_decref(*answer);
    *answer = NULL;
    fr_api_error_set(error, FR_API_MALFORMED,
                     "%s: the answer is no JSON object (%zu bytes); try again later, and check for "
                     "a proxy between here and Tesla",
                     call->what, response->len);
    error->status = response->status;
    return -1;
}

int fr_api_request(struct fr_api *api, const struct fr_api_call *call, json_t **answer,
                   struct fr_api_error *error)
{
    unsigned misdirected = 0;
    bool renewed = false;
    int status =
        call->partner ? fr_api_session_partner(api, error) : fr_api_session_user(api, error);

    *answer = NULL;
    while (status == 0) {
        struct fr_http_response response;
        bool again = false;

        if (request_send(api, call, &response, error) != 0)
            return -1;
        if (response.status >= 200 && response.status < 300)
            status = request_parse(call, &response, answer, error);
        else if (response.status == 401 && !renewed) {
            renewed = again = true;
            status = request_renew(api, call, error);
        } else if (response.status == 421 && misdirected < MISDIRECTED_MAX) {
            misdirected++;
            again = true;
            status = request_follow(api, call, &response, error);
        } else
            status = fr_api_error_from(error, call->what, &response);
        fr_http_response_free(&response);
        if (!again)
            return status;
    }
    return status;
}

void fr_api_put_vins(struct fr_buffer *body, const char *const *vins, size_t count)
{
    fr_buffer_text(body, "\"vins\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            fr_buffer_byte(body, ',');
        fr_json_string(body, vins[i], strlen(vins[i]));
    }
    fr_buffer_byte(body, ']');
}
