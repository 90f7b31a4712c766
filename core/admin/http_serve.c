#include "admin/http_serve.h"

#include <event2/buffer.h>
#include <string.h>
#include <strings.h>

#include "admin/http_body.h"
#include "admin/http_client.h"
#include "admin/http_guard.h"
#include "admin/http_jobs.h"
#include "admin/http_login.h"
#include "admin/http_query.h"
#include "admin/http_reply.h"
#include "admin/http_sessions.h"
#include "admin/http_streams.h"
#include "admin/jobs.h"
#include "admin/web_files.h"
#include "util/clock.h"
#include "util/counters.h"

#define NOT_THIS_HOST                                                                              \
    "the Host header does not name this server: use its IP address or localhost, or add the name " \
    "to `admin: hosts:`"
#define OTHER_SITE "the request comes from a page of another site"
#define NEEDS_HEADER                                                                               \
    "a request that changes something needs the header X-Fleetroute: 1, which pages of other "     \
    "sites cannot send"
#define NEEDS_TOKEN                                                                                \
    "a token is required: send the header Authorization: Bearer TOKEN with the first line of "     \
    "admin.token_file, or log in on the page"
#define TOO_MANY_TRIES "too many wrong tokens came from this address; try again in a minute"
#define NO_TOKEN_EXISTS                                                                            \
    "acts need a token: write 16 or more random characters into a file and name it in `admin: "    \
    "token_file:`"
#define NOT_PROTECTED                                                                              \
    "acts are only possible from this machine or over TLS: set `admin: tls:`, or use "             \
    "`fleetroute` on the server"

/* ---- the endpoint ---------------------------------------------------------------- */

/* Whether an endpoint exists: a page may not be compiled in. */
static bool serve_exists(const struct fr_http_endpoint *endpoint)
{
    return endpoint->file_name == NULL || fr_web_has_file(endpoint->file_name);
}

/* The endpoint of a path for GET, or (`act`) for POST. *other_method: the path has an endpoint for
 * the other method. *segment gets the text that the pattern stands for. */
static const struct fr_http_endpoint *serve_find(const struct fr_http_endpoint *endpoint,
                                                 const char *path, bool act, bool *other_method,
                                                 char *segment)
{
    *other_method = false;
    for (; path != NULL && endpoint->path != NULL; endpoint++) {
        if (fr_http_path_match(endpoint->path, path, segment) != FR_HTTP_MATCH ||
            !serve_exists(endpoint))
            continue;
        if ((endpoint->kind == FR_HTTP_ACT) == act)
            return endpoint;
        *other_method = true;
    }
    segment[0] = '\0';
    return NULL;
}

static void serve_not_found(const struct fr_http_admin *admin, struct evhttp_request *request,
                            const char *path, bool other_method, bool act)
{
    struct fr_buffer text = {0};

    if (other_method) {
        evhttp_add_header(evhttp_request_get_output_headers(request), "Allow",
                          act ? "GET, HEAD" : "POST");
        fr_http_reply_refusal(admin, request, 405, "the endpoint has another method");
        return;
    }
    fr_buffer_text(&text, "no such endpoint; the endpoints are");
    for (const struct fr_http_endpoint *e = admin->endpoints; e->path != NULL; e++)
        if (e->listed && serve_exists(e))
            fr_buffer_printf(&text, " %s", e->path);
    if (path != NULL && strncmp(path, "/api/", 5) == 0)
        fr_http_reply_refusal(admin, request, 404, fr_buffer_string(&text));
    else {
        fr_buffer_byte(&text, '\n');
        fr_http_reply(admin, request, 404, "text/plain; charset=utf-8", &text);
    }
    fr_buffer_free(&text);
}

/* ---- what the client may do ------------------------------------------------------ */

static const char *serve_header(struct evhttp_request *request, const char *name)
{
    return evhttp_find_header(evhttp_request_get_input_headers(request), name);
}

/* Answer a request that a page of another site sent. Returns whether it was answered. */
static bool serve_refuse_origin(struct fr_http_admin *admin, struct evhttp_request *request,
                                bool tls, const struct fr_http_endpoint *endpoint)
{
    struct fr_http_origin origin = {
        .host = serve_header(request, "Host"),
        .origin = serve_header(request, "Origin"),
        .fetch_site = serve_header(request, "Sec-Fetch-Site"),
        .fetch_mode = serve_header(request, "Sec-Fetch-Mode"),
        .fetch_dest = serve_header(request, "Sec-Fetch-Dest"),
    };
    bool may_navigate = endpoint != NULL && endpoint->kind == FR_HTTP_FILES;

    if (fr_http_origin_allowed(&origin, tls, may_navigate))
        return false;
    fr_count(FR_COUNT_ADMIN_PAGES_REFUSED);
    fr_http_reply_refusal(admin, request, 403, OTHER_SITE);
    return true;
}

/* Answer a request for a host that is not this server. Returns whether it was answered. The owner of
 * the token is no page of another site, and /healthz is not confidential if a token protects the
 * rest. */
static bool serve_refuse_host(struct fr_http_admin *admin, struct evhttp_request *request,
                              const struct fr_http_client_info *client,
                              const struct fr_http_endpoint *endpoint)
{
    if (client->host_allowed || client->socket || client->credential == FR_HTTP_CREDENTIAL_TOKEN ||
        (admin->has_token && endpoint != NULL && endpoint->public &&
         endpoint->kind == FR_HTTP_READ))
        return false;
    fr_count(FR_COUNT_ADMIN_PAGES_REFUSED);
    fr_http_reply_refusal(admin, request, 403, NOT_THIS_HOST);
    return true;
}

/* Answer a request that needs a token. Returns whether it was answered. */
static bool serve_refuse_access(struct fr_http_admin *admin, struct evhttp_request *request,
                                const struct fr_http_client_info *client,
                                const struct fr_http_endpoint *endpoint)
{
    bool act = endpoint->kind == FR_HTTP_ACT;

    if (!act && (endpoint->public || client->socket || !admin->has_token))
        return false;
    if (fr_http_client_has_credential(client) && (!act || fr_http_client_protected(client)))
        return false;
    if (!admin->has_token)
        fr_http_reply_refusal(admin, request, 403, NO_TOKEN_EXISTS);
    else if (fr_http_client_has_credential(client))
        fr_http_reply_refusal(admin, request, 403, NOT_PROTECTED);
    else if (client->credential == FR_HTTP_CREDENTIAL_REFUSED)
        fr_http_reply_refusal(admin, request, 429, TOO_MANY_TRIES);
    else
        fr_http_reply_refusal(admin, request, 401, NEEDS_TOKEN);
    return true;
}

/* ---- answers --------------------------------------------------------------------- */

static void serve_render(struct fr_http_admin *admin, struct evhttp_request *request,
                         const struct fr_http_endpoint *endpoint, struct fr_http_call *call)
{
    struct fr_buffer body = {0};
    int code = endpoint->render(admin->ctx, call, &body);

    if (code != 0 && body.failed)
        fr_http_reply_text(admin, request, 503, "out of memory\n");
    else if (code != 0)
        fr_http_reply(admin, request, code, endpoint->type, &body);
    fr_buffer_free(&body);
}

static void serve_job(struct fr_http_admin *admin, struct evhttp_request *request,
                      const struct fr_http_endpoint *endpoint, const struct fr_http_call *call)
{
    struct fr_buffer body = {0};
    void *ctx = endpoint->prepare != NULL ? endpoint->prepare(admin->ctx) : admin->ctx;
    int code = fr_http_job_start(call, endpoint->render, ctx, endpoint->release, &body);

    if (code != 0)
        fr_http_reply(admin, request, code, endpoint->type, &body);
    fr_buffer_free(&body);
}

static void serve_act(struct fr_http_admin *admin, struct evhttp_request *request,
                      const struct fr_http_client_info *client,
                      const struct fr_http_endpoint *endpoint, struct fr_http_call *call)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(request);
    char who[FR_HTTP_WHO_SIZE];

    call->body_len = evbuffer_get_length(in);
    evbuffer_add(in, "", 1); /* the NUL */
    call->body = (const char *)evbuffer_pullup(in, -1);
    call->who = fr_http_client_name(client, who);
    if (call->body == NULL)
        fr_http_reply_refusal(admin, request, 503, "out of memory");
    else
        serve_render(admin, request, endpoint, call);
}

/* The client's key in jobs.h. `client` NULL: a load balancer, whose endpoints have no jobs. */
static uint64_t serve_source(const struct fr_http_client_info *client)
{
    return client == NULL ? 0 : client->socket ? FR_JOBS_ADMIN_SOCKET : client->source;
}

static void serve_file(struct fr_http_admin *admin, struct evhttp_request *request,
                       const struct fr_http_endpoint *endpoint, const struct fr_http_call *call)
{
    const struct fr_http_file *file = endpoint->file_name != NULL
                                          ? fr_web_file(endpoint->file_name)
                                          : endpoint->file(admin->ctx, call);

    if (file == NULL)
        serve_not_found(admin, request, NULL, false, false);
    else if (file->missing != NULL)
        fr_http_reply_text(admin, request, 404, file->missing);
    else
        fr_http_reply_file(admin, request, file);
}

static void serve_endpoint(struct fr_http_admin *admin, struct evhttp_request *request,
                           const struct fr_http_client_info *client,
                           const struct fr_http_endpoint *endpoint, const char *segment)
{
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
    struct fr_http_exchange exchange = {admin, request, endpoint, serve_source(client)};
    struct fr_http_call call = {.query = query != NULL ? query : "",
                                .segment = segment,
                                .body = "",
                                .who = "",
                                .exchange = &exchange};

    switch (endpoint->kind) {
    case FR_HTTP_READ:
        serve_render(admin, request, endpoint, &call);
        break;
    case FR_HTTP_JOB:
        serve_job(admin, request, endpoint, &call);
        break;
    case FR_HTTP_FILES:
        serve_file(admin, request, endpoint, &call);
        break;
    case FR_HTTP_RECORDS:
        if (admin->streams != NULL)
            fr_http_streams_open(admin, request, call.query, client->session);
        else
            fr_http_reply_refusal(admin, request, 503, "there is no stream of records");
        break;
    case FR_HTTP_ACT:
        serve_act(admin, request, client, endpoint, &call);
        break;
    }
}

/* Answer a POST that lacks the header which pages of other sites cannot send. Returns whether it was
 * answered. */
static bool serve_refuse_simple(struct fr_http_admin *admin, struct evhttp_request *request,
                                bool post)
{
    if (!post || serve_header(request, "X-Fleetroute") != NULL)
        return false;
    fr_http_reply_refusal(admin, request, 403, NEEDS_HEADER);
    return true;
}

/* Answer a request whose end is ambiguous, and close its connection: what follows may be its body.
 * Returns whether it was answered. */
static bool serve_refuse_body(struct fr_http_admin *admin, struct evhttp_request *request)
{
    bool post = evhttp_request_get_command(request) == EVHTTP_REQ_POST;
    const char *mistake = fr_http_body_mistake(evhttp_request_get_input_headers(request), post);

    if (mistake == NULL)
        return false;
    evhttp_add_header(evhttp_request_get_output_headers(request), "Connection", "close");
    fr_http_reply_refusal(admin, request, 400, mistake);
    return true;
}

void fr_http_serve(struct fr_http_admin *admin, struct evhttp_request *request, bool socket)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
    bool post = evhttp_request_get_command(request) == EVHTTP_REQ_POST, other_method;
    bool tls = !socket && admin->tls != NULL;
    char segment[FR_HTTP_SEGMENT_SIZE];
    const struct fr_http_endpoint *endpoint =
        serve_find(admin->endpoints, path, post, &other_method, segment);
    bool login = path != NULL && fr_http_login_has(path, post);
    struct fr_http_client_info client;

    if (serve_refuse_body(admin, request) || serve_refuse_origin(admin, request, tls, endpoint))
        return;
    fr_http_client_read(admin, request, socket, &client);
    if (serve_refuse_host(admin, request, &client, endpoint))
        return;
    if (endpoint == NULL && !login)
        serve_not_found(admin, request, path, other_method, post);
    else if (serve_refuse_simple(admin, request, post))
        return;
    else if (login)
        fr_http_login_serve(admin, request, &client, path);
    else if (!serve_refuse_access(admin, request, &client, endpoint))
        serve_endpoint(admin, request, &client, endpoint, segment);
}

void fr_http_serve_status(struct fr_http_admin *admin, struct evhttp_request *request)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
    char segment[FR_HTTP_SEGMENT_SIZE];
    bool other_method;
    const struct fr_http_endpoint *endpoint =
        serve_find(admin->status, path, false, &other_method, segment);

    if (serve_refuse_body(admin, request))
        return;
    if (endpoint != NULL)
        serve_endpoint(admin, request, NULL, endpoint, segment);
    else
        fr_http_reply_text(admin, request, 404, "404 page not found\n");
}
