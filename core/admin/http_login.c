#include "admin/http_login.h"

#include <event2/buffer.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/http_reply.h"
#include "admin/http_sessions.h"
#include "admin/http_streams.h"
#include "util/clock.h"
#include "util/json_text.h"
#include "util/log.h"

#define JSON "application/json"

/* The member `token` of the body, which the caller wipes and frees; NULL: there is none. */
static char *login_read_token(struct evhttp_request *request)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(request);
    size_t len = evbuffer_get_length(in);
    const char *body = (const char *)evbuffer_pullup(in, -1);
    json_t *root = body != NULL ? json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *text = json_string_value(json_object_get(root, "token"));
    char *token = text != NULL ? strdup(text) : NULL;

    json_decref(root);
    return token;
}

static void login_set_cookie(const struct fr_http_admin *admin, struct evhttp_request *request,
                             bool tls, const char *id, int64_t max_age_s)
{
    char cookie[256];

    snprintf(cookie, sizeof cookie, "%s=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%lld%s",
             admin->cookie, id, (long long)max_age_s, tls ? "; Secure" : "");
    evhttp_add_header(evhttp_request_get_output_headers(request), "Set-Cookie", cookie);
    OPENSSL_cleanse(cookie, sizeof cookie);
}

static void login_send_ok(const struct fr_http_admin *admin, struct evhttp_request *request,
                          const char *message)
{
    struct fr_buffer body = {0};

    fr_buffer_printf(&body, "{\"ok\":true,\"message\":\"%s\"}", message);
    fr_http_reply(admin, request, 200, JSON, &body);
    fr_buffer_free(&body);
}

static void login_begin(struct fr_http_admin *admin, struct evhttp_request *request,
                        const struct fr_http_client_info *client)
{
    char id[FR_HTTP_SESSION_ID_SIZE];
    unsigned number = fr_http_sessions_begin(admin->sessions, fr_monotonic_ms(), id);

    if (number == 0) {
        fr_http_reply_refusal(admin, request, 503, "no random bytes");
        return;
    }
    fr_log(FR_LOG_NOTICE, "admin: session %u of %s begins", number, client->address);
    login_set_cookie(admin, request, client->tls, id, FR_HTTP_SESSION_MAX_MS / 1000);
    OPENSSL_cleanse(id, sizeof id);
    login_send_ok(admin, request, "logged in");
}

static void login_try(struct fr_http_admin *admin, struct evhttp_request *request,
                      const struct fr_http_client_info *client)
{
    static struct fr_log_limit limit;
    enum fr_http_token outcome;
    char *token;

    if (!admin->has_token) {
        fr_http_reply_refusal(admin, request, 403,
                              "no token is set: `admin: token_file:` names it");
        return;
    }
    token = login_read_token(request);
    if (token == NULL) {
        fr_http_reply_refusal(admin, request, 400, "the body must be {\"token\":TEXT}");
        return;
    }
    outcome = fr_http_sessions_try(admin->sessions, token, client->source, fr_monotonic_ms());
    OPENSSL_cleanse(token, strlen(token));
    free(token);
    if (outcome == FR_HTTP_TOKEN_RIGHT) {
        login_begin(admin, request, client);
        return;
    }
    fr_log_limited(&limit, FR_LOG_WARNING,
                   "admin: %s sent a wrong token; the first line of "
                   "admin.token_file is the token",
                   client->address);
    if (outcome == FR_HTTP_TOKEN_WRONG)
        fr_http_reply_refusal(admin, request, 401, "the token is wrong");
    else
        fr_http_reply_refusal(
            admin, request, 429,
            "too many wrong tokens came from this address; try again in a minute");
}

static void login_end(struct fr_http_admin *admin, struct evhttp_request *request,
                      const struct fr_http_client_info *client)
{
    if (client->session != 0) {
        fr_http_sessions_end(admin->sessions, client->session);
        if (admin->streams != NULL)
            fr_http_streams_end_session(admin->streams, client->session);
        fr_log(FR_LOG_NOTICE, "admin: session %u of %s ends", client->session, client->address);
    }
    login_set_cookie(admin, request, client->tls, "", 0);
    login_send_ok(admin, request, "logged out");
}

static void login_put_session(const struct fr_http_admin *admin, struct evhttp_request *request,
                              const struct fr_http_client_info *client)
{
    bool has_credential = fr_http_client_has_credential(client);
    bool acts = has_credential && fr_http_client_protected(client);
    const char *why = !admin->has_token ? "acts need a token: set `admin: token_file:`"
                      : acts            ? ""
                      : !has_credential ? "log in first"
                                        : "acts need TLS or a page on the server itself: set "
                                          "`admin: tls:`";
    struct fr_buffer body = {0};

    fr_buffer_printf(&body, "{\"token_required\":%s,\"authenticated\":%s,\"acts\":%s,\"why\":",
                     admin->has_token && !client->socket ? "true" : "false",
                     has_credential ? "true" : "false", acts ? "true" : "false");
    fr_json_string(&body, why, strlen(why));
    fr_buffer_text(&body, ",\"map_tiles\":");
    if (admin->map_tiles != NULL)
        fr_json_string(&body, admin->map_tiles, strlen(admin->map_tiles));
    else
        fr_buffer_text(&body, "null");
    if (admin->has_home && (has_credential || !admin->has_token))
        fr_buffer_printf(&body,
                         ",\"home_zone\":{\"latitude\":%.7g,\"longitude\":%.8g,\"radius\":%.6g}}",
                         admin->home.latitude, admin->home.longitude, admin->home.radius);
    else
        fr_buffer_text(&body, ",\"home_zone\":null}");
    fr_http_reply(admin, request, 200, JSON, &body);
    fr_buffer_free(&body);
}

bool fr_http_login_has(const char *path, bool post)
{
    return post ? strcmp(path, "/api/login") == 0 || strcmp(path, "/api/logout") == 0
                : strcmp(path, "/api/session") == 0;
}

void fr_http_login_serve(struct fr_http_admin *admin, struct evhttp_request *request,
                         const struct fr_http_client_info *client, const char *path)
{
    if (strcmp(path, "/api/login") == 0)
        login_try(admin, request, client);
    else if (strcmp(path, "/api/logout") == 0)
        login_end(admin, request, client);
    else
        login_put_session(admin, request, client);
}
