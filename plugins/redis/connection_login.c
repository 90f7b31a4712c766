#include "redis/connection_login.h"

#include <stdio.h>
#include <string.h>

#include "password_file.h"
#include "redis/redis_command.h"
#include "redis/redis_errors.h"

static bool login_auth(struct connection *c, struct fr_text_buffer *out, char *why, size_t why_size)
{
    const char *path = c->host->text(c->sink, "password_file");
    const char *username = c->host->text(c->sink, "username");
    char password[FR_PASSWORD_SIZE] = "";

    if (path == NULL)
        return true;
    if (!fr_password_read(path, password, why, why_size))
        return false;
    redis_command_begin(out, username != NULL ? 3 : 2);
    redis_command_text(out, "AUTH");
    if (username != NULL)
        redis_command_text(out, username);
    redis_command_text(out, password);
    explicit_bzero(password, sizeof password);
    return connection_send_own(c, out);
}

static bool login_select(struct connection *c, struct fr_text_buffer *out)
{
    char number[24];

    if (c->database == 0)
        return true;
    snprintf(number, sizeof number, "%lld", (long long)c->database);
    redis_command_begin(out, 2);
    redis_command_text(out, "SELECT");
    redis_command_text(out, number);
    return connection_send_own(c, out);
}

bool connection_ping(struct connection *c)
{
    struct fr_text_buffer out = {0};
    bool ok;

    redis_command_begin(&out, 1);
    redis_command_text(&out, "PING");
    ok = connection_send_own(c, &out);
    fr_text_buffer_free(&out);
    return ok;
}

bool connection_begin_login(struct connection *c, char *why, size_t why_size)
{
    struct fr_text_buffer out = {0};
    bool ok;

    snprintf(why, why_size, "no memory");
    ok = login_auth(c, &out, why, why_size) && login_select(c, &out) && connection_ping(c);
    if (out.bytes != NULL)
        explicit_bzero(out.bytes, out.size);
    fr_text_buffer_free(&out);
    c->step = c->host->text(c->sink, "password_file") != NULL ? LOGIN_AUTH
              : c->database != 0                              ? LOGIN_SELECT
                                                              : LOGIN_PING;
    return ok;
}

bool connection_continue_login(struct connection *c, const struct redis_reply *reply, char *why,
                               size_t why_size)
{
    bool error = reply->kind == REPLY_ERROR;
    bool refused = c->step == LOGIN_PING ? error && redis_error_ends_login(reply->text) : error;

    if (!error && reply->kind != REPLY_TEXT) {
        snprintf(why, why_size, "the server's answer is not that of Redis (check `port:`)");
        return false;
    }
    if (refused) {
        snprintf(why, why_size, "the server refused the login: %s%s", reply->text,
                 redis_error_login_remedy(reply->text));
        return false;
    }
    c->step = c->step == LOGIN_AUTH && c->database == 0 ? LOGIN_PING : c->step + 1;
    return true;
}
