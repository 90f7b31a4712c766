#include "ha_websocket/session.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "clock_ms.h"
#include "ha_websocket/link.h"

#define TOKEN_MAX 1024
#define PAUSE_MIN_MS 250
#define PAUSE_MAX_MS 1500
#define REFUSED_RETRY_MS 600000 /* until a refused token is used again */
#define ANSWER_TIMEOUT_MS 20000 /* without an answer to a command: the session is lost */
#define PING_MS 10000           /* without traffic: a ping is sent */
#define TICK_MS 1000

struct command {
    uint64_t id;     /* 0: free */
    int64_t sent_ms; /* monotonic */
    session_answer *answer;
    void *ctx;
};

struct session {
    struct fr_sink *sink;
    const struct fr_host *host;
    const struct peer *peer;
    const struct session_events *events;
    void *ctx;
    struct link *link; /* NULL: not connected and not connecting */
    bool ready, refused;
    char token[TOKEN_MAX];
    char version[32];
    struct stat token_file; /* as it was when the token was read */
    struct event *reconnect, *tick;
    int64_t pause_ms, received_ms, refused_ms;
    uint64_t next_id;
    size_t open_commands;
    struct command commands[SESSION_COMMANDS_MAX];
};

static void session_connect(struct session *s);

/* ---- losing the connection ------------------------------------------------------- */

static void session_schedule_reconnect(struct session *s)
{
    struct timeval pause;
    int64_t ms;

    if (s->pause_ms < PAUSE_MIN_MS)
        s->pause_ms = PAUSE_MIN_MS;
    ms = s->pause_ms + s->pause_ms * (random() & 0xff) / 1024;
    pause = (struct timeval){ms / 1000, ms % 1000 * 1000};
    s->pause_ms = s->pause_ms * 2 < PAUSE_MAX_MS ? s->pause_ms * 2 : PAUSE_MAX_MS;
    event_add(s->reconnect, &pause);
}

static void session_drop_link(struct session *s)
{
    bool was_ready = s->ready;

    link_free(s->link);
    s->link = NULL;
    s->ready = false;
    s->open_commands = 0;
    memset(s->commands, 0, sizeof s->commands);
    if (was_ready)
        s->events->lost(s->ctx);
}

static void session_on_lost(void *ctx, const char *why)
{
    struct session *s = ctx;

    s->host->health(s->sink, FR_HEALTH_DOWN, "Home Assistant at %s: %s",
                    s->host->text(s->sink, "url"), why);
    session_drop_link(s);
    session_schedule_reconnect(s);
}

static const char *session_token_path(const struct session *s)
{
    return s->host->text(s->sink, "token_file");
}

/* The token is refused. Home Assistant counts failed logins and may ban this host, so do not
 * reconnect until the token file has changed or REFUSED_RETRY_MS have passed. */
static void session_refused(struct session *s)
{
    s->refused = true;
    s->refused_ms = fr_clock_monotonic_ms();
    s->host->log(
        s->sink, FR_LOG_ERROR,
        "Home Assistant refuses the token in %s: create a new one (your profile, Security, "
        "Long-lived access tokens) and write it to the file; nothing is sent until then",
        session_token_path(s));
    s->host->health(s->sink, FR_HEALTH_DOWN, "Home Assistant refuses the token in %s",
                    session_token_path(s));
    session_drop_link(s);
}

static void session_check_token_file(struct session *s)
{
    struct stat now;

    if (stat(session_token_path(s), &now) == 0 &&
        now.st_mtim.tv_sec == s->token_file.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == s->token_file.st_mtim.tv_nsec &&
        now.st_ino == s->token_file.st_ino &&
        fr_clock_monotonic_ms() - s->refused_ms < REFUSED_RETRY_MS)
        return;
    s->refused = false;
    session_connect(s);
}

/* ---- receiving ------------------------------------------------------------------- */

static struct command *session_command_slot(struct session *s, uint64_t id)
{
    return &s->commands[id % SESSION_COMMANDS_MAX];
}

static void session_on_result(struct session *s, const json_t *message)
{
    uint64_t id = (uint64_t)json_integer_value(json_object_get(message, "id"));
    struct command *slot = session_command_slot(s, id), was = *slot;
    const char *error = NULL;

    if (id == 0 || slot->id != id)
        return;
    memset(slot, 0, sizeof *slot);
    s->open_commands--;
    if (strcmp(json_string_value(json_object_get(message, "type")), "result") == 0 &&
        !json_is_true(json_object_get(message, "success"))) {
        error = json_string_value(json_object_get(json_object_get(message, "error"), "code"));
        if (error == NULL)
            error = "unknown_error";
    }
    if (was.answer != NULL)
        was.answer(was.ctx, json_object_get(message, "result"), error);
    if (s->ready)
        s->events->on_writable(s->ctx);
}

static void session_sign_in(struct session *s)
{
    json_t *hello = json_pack("{s:s, s:s}", "type", "auth", "access_token", s->token);
    char *text = hello != NULL ? json_dumps(hello, JSON_COMPACT) : NULL;

    if (text == NULL)
        s->host->log(s->sink, FR_LOG_ERROR,
                     "the token in %s is not valid UTF-8 text; write it again",
                     session_token_path(s));
    else {
        link_send(s->link, text, strlen(text));
        explicit_bzero(text, strlen(text));
    }
    free(text);
    json_decref(hello);
}

static void session_on_message(struct session *s, const json_t *message)
{
    const char *type = json_string_value(json_object_get(message, "type"));
    const char *version = json_string_value(json_object_get(message, "ha_version"));

    if (type == NULL)
        return;
    if (version != NULL)
        snprintf(s->version, sizeof s->version, "%s", version);
    if (strcmp(type, "auth_required") == 0)
        session_sign_in(s);
    else if (strcmp(type, "auth_invalid") == 0)
        session_refused(s);
    else if (strcmp(type, "auth_ok") == 0 && !s->ready) {
        s->ready = true;
        s->pause_ms = 0;
        s->events->ready(s->ctx);
    } else if (strcmp(type, "result") == 0 || strcmp(type, "pong") == 0)
        session_on_result(s, message);
}

static void session_on_text(void *ctx, const char *text, size_t len)
{
    struct session *s = ctx;
    json_t *root = json_loadb(text, len, 0, NULL), *each;
    size_t i;

    s->received_ms = fr_clock_monotonic_ms();
    if (json_is_array(root)) { /* coalesced messages, which are optional in the protocol */
        json_array_foreach(root, i, each) if (s->link != NULL) session_on_message(s, each);
    } else if (root != NULL)
        session_on_message(s, root);
    json_decref(root);
}

/* ---- connecting ------------------------------------------------------------------ */

static bool session_read_token(struct session *s)
{
    FILE *file = fopen(session_token_path(s), "r");
    bool known = file != NULL && fstat(fileno(file), &s->token_file) == 0;
    bool ok = file != NULL && fgets(s->token, sizeof s->token, file) != NULL;

    if (!ok)
        s->host->health(s->sink, FR_HEALTH_DOWN, "the token file %s cannot be read: %s",
                        session_token_path(s),
                        file == NULL ? strerror(errno) : "the file is empty");
    if (!known)
        memset(&s->token_file, 0, sizeof s->token_file);
    if (file != NULL)
        fclose(file);
    s->token[ok ? strcspn(s->token, " \t\r\n") : 0] = '\0';
    return ok;
}

static void session_on_up(void *ctx)
{
    (void)ctx; /* Home Assistant sends auth_required first */
}

static void session_connect(struct session *s)
{
    static const struct link_events link_events = {session_on_up, session_on_text, session_on_lost};
    char why[160];

    if (!session_read_token(s)) {
        session_schedule_reconnect(s);
        return;
    }
    s->received_ms = fr_clock_monotonic_ms();
    s->link = link_new(s->peer, s->host->event_base(s->sink), &link_events, s, why, sizeof why);
    if (s->link != NULL)
        return;
    s->host->health(s->sink, FR_HEALTH_DOWN, "Home Assistant at %s: %s",
                    s->host->text(s->sink, "url"), why);
    session_schedule_reconnect(s);
}

static void session_reconnect(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    session_connect(ctx);
}

/* Whether a command has no answer for ANSWER_TIMEOUT_MS, even if others are answered. Its sender
 * waits for the answer; only a new connection ends that. */
static bool session_command_expired(const struct session *s)
{
    int64_t now = fr_clock_monotonic_ms();

    for (size_t i = 0; i < SESSION_COMMANDS_MAX; i++)
        if (s->commands[i].id != 0 && now - s->commands[i].sent_ms > ANSWER_TIMEOUT_MS)
            return true;
    return false;
}

static void session_on_tick(evutil_socket_t fd, short what, void *ctx)
{
    struct session *s = ctx;
    int64_t silent = fr_clock_monotonic_ms() - s->received_ms;

    (void)fd, (void)what;
    if (s->refused)
        session_check_token_file(s);
    else if (s->link != NULL && silent > ANSWER_TIMEOUT_MS && (s->open_commands != 0 || !s->ready))
        session_on_lost(s, "no answer for 20 s");
    else if (s->ready && session_command_expired(s))
        session_on_lost(s, "no answer to a command for 20 s");
    else if (s->ready && silent > PING_MS && s->open_commands == 0)
        session_send(s, json_pack("{s:s}", "type", "ping"), NULL, NULL);
}

/* ---- sending --------------------------------------------------------------------- */

bool session_ready(const struct session *s)
{
    return s->ready;
}

size_t session_capacity(const struct session *s)
{
    if (!s->ready || s->open_commands >= SESSION_COMMANDS_MAX / 2)
        return 0;
    return SESSION_COMMANDS_MAX / 2 - s->open_commands;
}

/* Advance next_id to an id whose slot is free. An old command without an answer keeps its slot;
 * Home Assistant requires only that ids increase. NULL: no slot is free. */
static struct command *session_next_free(struct session *s)
{
    for (size_t i = 0; i < SESSION_COMMANDS_MAX; i++) {
        struct command *slot = session_command_slot(s, ++s->next_id);

        if (slot->id == 0)
            return slot;
    }
    return NULL;
}

bool session_send(struct session *s, json_t *command, session_answer *answer, void *ctx)
{
    struct command *slot = s->ready ? session_next_free(s) : NULL;
    char *text = NULL;
    bool ok;

    if (slot == NULL) {
        json_decref(command);
        return false;
    }
    *slot = (struct command){s->next_id, fr_clock_monotonic_ms(), answer, ctx};
    json_object_set_new(command, "id", json_integer((json_int_t)slot->id));
    text = json_dumps(command, JSON_COMPACT);
    if (s->open_commands == 0)
        s->received_ms = fr_clock_monotonic_ms(); /* the timeout begins with this command */
    ok = text != NULL && link_send(s->link, text, strlen(text));
    free(text);
    json_decref(command);
    if (ok)
        s->open_commands++;
    else
        memset(slot, 0, sizeof *slot);
    return ok;
}

const char *session_token(const struct session *s)
{
    return s->token;
}

const char *session_address(const struct session *s)
{
    return link_address(s->link);
}

const char *session_version(const struct session *s)
{
    return s->version;
}

/* ---- life ------------------------------------------------------------------------ */

void session_free(struct session *s)
{
    if (s == NULL)
        return;
    link_free(s->link);
    if (s->reconnect != NULL)
        event_free(s->reconnect);
    if (s->tick != NULL)
        event_free(s->tick);
    explicit_bzero(s->token, sizeof s->token);
    free(s);
}

struct session *session_new(struct fr_sink *sink, const struct fr_host *host,
                            const struct peer *peer, const struct session_events *events, void *ctx)
{
    const struct timeval tick = {TICK_MS / 1000, TICK_MS % 1000 * 1000}, now = {0, 0};
    struct session *s = calloc(1, sizeof *s);

    if (s == NULL)
        return NULL;
    s->sink = sink;
    s->host = host;
    s->peer = peer;
    s->events = events;
    s->ctx = ctx;
    s->reconnect = event_new(host->event_base(sink), -1, 0, session_reconnect, s);
    s->tick = event_new(host->event_base(sink), -1, EV_PERSIST, session_on_tick, s);
    /* Connecting may block on the name server, and the main thread waits for open(): begin in the
     * event loop. */
    if (s->reconnect == NULL || s->tick == NULL || event_add(s->tick, &tick) != 0 ||
        event_add(s->reconnect, &now) != 0) {
        session_free(s);
        return NULL;
    }
    host->health(sink, FR_HEALTH_DEGRADED, "connecting");
    return s;
}
