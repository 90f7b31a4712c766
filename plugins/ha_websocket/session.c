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

#define TOKEN_MOST 1024
#define PAUSE_LEAST_MS 250
#define PAUSE_MOST_MS 1500
#define REFUSED_MS 600000 /* a refused token is tried again */
#define SILENT_MS 20000   /* a command is not answered: the link is of no more use */
#define PING_MS 10000     /* nothing was said */
#define TICK_MS 1000

struct waiting {
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
    struct link *link; /* NULL: none, nor about to be */
    bool ready, refused;
    char token[TOKEN_MOST];
    char version[32];
    struct stat token_file; /* as it was when the token was read */
    struct event *again, *tick;
    int64_t pause_ms, heard_ms, refused_ms;
    uint64_t next_id;
    size_t under_way;
    struct waiting waiting[SESSION_COMMANDS_MAX];
};

static void connect_now(struct session *s);

/* ---- losing ---------------------------------------------------------------------- */

static void come_back(struct session *s)
{
    struct timeval pause;
    int64_t ms;

    if (s->pause_ms < PAUSE_LEAST_MS)
        s->pause_ms = PAUSE_LEAST_MS;
    ms = s->pause_ms + s->pause_ms * (random() & 0xff) / 1024;
    pause = (struct timeval){ms / 1000, ms % 1000 * 1000};
    s->pause_ms = s->pause_ms * 2 < PAUSE_MOST_MS ? s->pause_ms * 2 : PAUSE_MOST_MS;
    event_add(s->again, &pause);
}

static void drop_link(struct session *s)
{
    bool was_ready = s->ready;

    link_free(s->link);
    s->link = NULL;
    s->ready = false;
    s->under_way = 0;
    memset(s->waiting, 0, sizeof s->waiting);
    if (was_ready)
        s->events->lost(s->ctx);
}

static void lost(void *ctx, const char *why)
{
    struct session *s = ctx;

    s->host->health(s->sink, FR_HEALTH_DOWN, "Home Assistant at %s: %s",
                    s->host->text(s->sink, "url"), why);
    drop_link(s);
    come_back(s);
}

static const char *token_path(const struct session *s)
{
    return s->host->text(s->sink, "token_file");
}

/* The token is refused. Home Assistant counts failed logins and may shut us out, so nothing is
 * tried until something has changed. */
static void refused(struct session *s)
{
    s->refused = true;
    s->refused_ms = fr_clock_monotonic_ms();
    s->host->log(s->sink, FR_LOG_ERROR,
                 "Home Assistant refuses the token in %s: make a new one (your profile, Security, "
                 "Long-lived access tokens) and put it there; nothing is sent until then",
                 token_path(s));
    s->host->health(s->sink, FR_HEALTH_DOWN, "Home Assistant refuses the token in %s",
                    token_path(s));
    drop_link(s);
}

static void look_for_new_token(struct session *s)
{
    struct stat now;

    if (stat(token_path(s), &now) == 0 && now.st_mtim.tv_sec == s->token_file.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == s->token_file.st_mtim.tv_nsec &&
        now.st_ino == s->token_file.st_ino && fr_clock_monotonic_ms() - s->refused_ms < REFUSED_MS)
        return;
    s->refused = false;
    connect_now(s);
}

/* ---- what comes ------------------------------------------------------------------ */

static struct waiting *waiting_for(struct session *s, uint64_t id)
{
    return &s->waiting[id % SESSION_COMMANDS_MAX];
}

static void answered(struct session *s, const json_t *message)
{
    uint64_t id = (uint64_t)json_integer_value(json_object_get(message, "id"));
    struct waiting *w = waiting_for(s, id), was = *w;
    const char *error = NULL;

    if (id == 0 || w->id != id)
        return;
    memset(w, 0, sizeof *w);
    s->under_way--;
    if (strcmp(json_string_value(json_object_get(message, "type")), "result") == 0 &&
        !json_is_true(json_object_get(message, "success"))) {
        error = json_string_value(json_object_get(json_object_get(message, "error"), "code"));
        if (error == NULL)
            error = "unknown_error";
    }
    if (was.answer != NULL)
        was.answer(was.ctx, json_object_get(message, "result"), error);
    if (s->ready)
        s->events->room(s->ctx);
}

static void sign_in(struct session *s)
{
    json_t *hello = json_pack("{s:s, s:s}", "type", "auth", "access_token", s->token);
    char *text = hello != NULL ? json_dumps(hello, JSON_COMPACT) : NULL;

    if (text == NULL)
        s->host->log(s->sink, FR_LOG_ERROR, "the token in %s is no text", token_path(s));
    else {
        link_send(s->link, text, strlen(text));
        explicit_bzero(text, strlen(text));
    }
    free(text);
    json_decref(hello);
}

static void understood(struct session *s, const json_t *message)
{
    const char *type = json_string_value(json_object_get(message, "type"));
    const char *version = json_string_value(json_object_get(message, "ha_version"));

    if (type == NULL)
        return;
    if (version != NULL)
        snprintf(s->version, sizeof s->version, "%s", version);
    if (strcmp(type, "auth_required") == 0)
        sign_in(s);
    else if (strcmp(type, "auth_invalid") == 0)
        refused(s);
    else if (strcmp(type, "auth_ok") == 0 && !s->ready) {
        s->ready = true;
        s->pause_ms = 0;
        s->events->ready(s->ctx);
    } else if (strcmp(type, "result") == 0 || strcmp(type, "pong") == 0)
        answered(s, message);
}

static void came(void *ctx, const char *text, size_t len)
{
    struct session *s = ctx;
    json_t *root = json_loadb(text, len, 0, NULL), *each;
    size_t i;

    s->heard_ms = fr_clock_monotonic_ms();
    if (json_is_array(root)) { /* several at once, which we did not ask for */
        json_array_foreach(root, i, each) if (s->link != NULL) understood(s, each);
    } else if (root != NULL)
        understood(s, root);
    json_decref(root);
}

/* ---- connecting ------------------------------------------------------------------ */

static bool read_token(struct session *s)
{
    FILE *file = fopen(token_path(s), "r");
    bool known = file != NULL && fstat(fileno(file), &s->token_file) == 0;
    bool ok = file != NULL && fgets(s->token, sizeof s->token, file) != NULL;

    if (!ok)
        s->host->health(s->sink, FR_HEALTH_DOWN, "the token file %s: %s", token_path(s),
                        file == NULL ? strerror(errno) : "it is empty");
    if (!known)
        memset(&s->token_file, 0, sizeof s->token_file);
    if (file != NULL)
        fclose(file);
    s->token[ok ? strcspn(s->token, " \t\r\n") : 0] = '\0';
    return ok;
}

static void up(void *ctx)
{
    (void)ctx; /* Home Assistant speaks first */
}

static void connect_now(struct session *s)
{
    static const struct link_events link_events = {up, came, lost};
    char why[160];

    if (!read_token(s)) {
        come_back(s);
        return;
    }
    s->heard_ms = fr_clock_monotonic_ms();
    s->link = link_new(s->peer, s->host->event_base(s->sink), &link_events, s, why, sizeof why);
    if (s->link != NULL)
        return;
    s->host->health(s->sink, FR_HEALTH_DOWN, "Home Assistant at %s: %s",
                    s->host->text(s->sink, "url"), why);
    come_back(s);
}

static void connect_again(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    connect_now(ctx);
}

/* Whether a command is not answered for SILENT_MS, though others may be: its owner waits for the
 * answer, so only a new connection helps. */
static bool command_expired(const struct session *s)
{
    int64_t now = fr_clock_monotonic_ms();

    for (size_t i = 0; i < SESSION_COMMANDS_MAX; i++)
        if (s->waiting[i].id != 0 && now - s->waiting[i].sent_ms > SILENT_MS)
            return true;
    return false;
}

static void look_around(evutil_socket_t fd, short what, void *ctx)
{
    struct session *s = ctx;
    int64_t silent = fr_clock_monotonic_ms() - s->heard_ms;

    (void)fd, (void)what;
    if (s->refused)
        look_for_new_token(s);
    else if (s->link != NULL && silent > SILENT_MS && (s->under_way != 0 || !s->ready))
        lost(s, "it does not answer any more");
    else if (s->ready && command_expired(s))
        lost(s, "it does not answer a command");
    else if (s->ready && silent > PING_MS && s->under_way == 0)
        session_send(s, json_pack("{s:s}", "type", "ping"), NULL, NULL);
}

/* ---- talking --------------------------------------------------------------------- */

bool session_ready(const struct session *s)
{
    return s->ready;
}

size_t session_room(const struct session *s)
{
    return s->ready ? SESSION_COMMANDS_MAX / 2 > s->under_way
                          ? SESSION_COMMANDS_MAX / 2 - s->under_way
                          : 0
                    : 0;
}

/* Advance next_id to an id whose entry is free; a command that is answered late keeps its own. Home
 * Assistant requires only that ids grow. NULL: no entry is free. */
static struct waiting *next_free(struct session *s)
{
    for (size_t i = 0; i < SESSION_COMMANDS_MAX; i++) {
        struct waiting *w = waiting_for(s, ++s->next_id);

        if (w->id == 0)
            return w;
    }
    return NULL;
}

bool session_send(struct session *s, json_t *command, session_answer *answer, void *ctx)
{
    struct waiting *w = s->ready ? next_free(s) : NULL;
    char *text = NULL;
    bool ok;

    if (w == NULL) {
        json_decref(command);
        return false;
    }
    *w = (struct waiting){s->next_id, fr_clock_monotonic_ms(), answer, ctx};
    json_object_set_new(command, "id", json_integer((json_int_t)w->id));
    text = json_dumps(command, JSON_COMPACT);
    if (s->under_way == 0)
        s->heard_ms = fr_clock_monotonic_ms(); /* from now on an answer is waited for */
    ok = text != NULL && link_send(s->link, text, strlen(text));
    free(text);
    json_decref(command);
    if (ok)
        s->under_way++;
    else
        memset(w, 0, sizeof *w);
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
    if (s->again != NULL)
        event_free(s->again);
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
    s->again = event_new(host->event_base(sink), -1, 0, connect_again, s);
    s->tick = event_new(host->event_base(sink), -1, EV_PERSIST, look_around, s);
    /* The main thread waits for open(), and connecting may wait for a name server: so it begins in the
     * event loop. */
    if (s->again == NULL || s->tick == NULL || event_add(s->tick, &tick) != 0 ||
        event_add(s->again, &now) != 0) {
        session_free(s);
        return NULL;
    }
    host->health(sink, FR_HEALTH_DEGRADED, "connecting");
    return s;
}
