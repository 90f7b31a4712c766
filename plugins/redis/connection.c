#include "redis/connection.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "clock_ms.h"
#include "redis/connection_login.h"
#include "redis/connection_state.h"

#define RETRY_MIN_MS 500
#define RETRY_MAX_MS 4000
#define TICK_MS 500        /* interval of the checks for time-outs */
#define PING_MS 3500       /* without an answer: the server is checked */
#define UNANSWERED 1048576 /* bytes; further requests wait */
#define FEED_SIZE 16384    /* bytes passed to the parser at a time */
#define INPUT_MAX 262144   /* bytes read from the socket and not yet passed to the parser */

/* ---- ending ---------------------------------------------------------------------- */

static void connection_close(struct connection *c)
{
    if (c->socket != NULL)
        bufferevent_free(c->socket);
    if (c->addresses != NULL)
        freeaddrinfo(c->addresses);
    redis_reader_free(c->reader);
    c->socket = NULL;
    c->addresses = NULL;
    c->next_address = NULL;
    c->reader = NULL;
    c->connected = c->renew = false;
}

/* End the connection, report it and schedule the next one. `why`: NULL, or without the address. */
static void connection_lost(struct connection *c, const char *why)
{
    char text[512];

    connection_close(c);
    c->step = LOGIN_AUTH;
    if (c->retry_ms < RETRY_MIN_MS)
        c->retry_ms = RETRY_MIN_MS;
    event_add(c->reconnect, &(struct timeval){c->retry_ms / 1000, c->retry_ms % 1000 * 1000});
    c->retry_ms = 2 * c->retry_ms < RETRY_MAX_MS ? 2 * c->retry_ms : RETRY_MAX_MS;
    snprintf(text, sizeof text, "%.250s: %s", c->address, why != NULL ? why : "");
    c->events->lost(c->ctx, why != NULL ? text : NULL);
    while (c->sent.count != 0)
        requests_take(&c->sent);
}

struct fr_delivery *connection_take(struct connection *c)
{
    while (c->sent.count != 0) {
        struct fr_delivery *d = requests_take(&c->sent).delivery;

        if (d != NULL)
            return d;
    }
    return NULL;
}

/* ---- answers --------------------------------------------------------------------- */

/* Handle one answer. False, with the reason in `why`: the connection is of no use. */
static bool connection_answer(struct connection *c, const struct redis_reply *reply, char *why,
                              size_t why_size)
{
    struct request request;

    if (c->sent.count == 0) { /* at the limit of clients, an error comes before any request */
        snprintf(why, why_size, "the server sent an answer without a request (is it Redis?) %.*s",
                 REDIS_REPLY_TEXT, reply->text);
        return false;
    }
    request = requests_take(&c->sent);
    c->answered_ms = fr_clock_monotonic_ms();
    if (c->step == LOGIN_DONE) {
        if (request.delivery != NULL)
            c->events->answered(c->ctx, request.delivery, reply);
        return true;
    }
    if (!connection_continue_login(c, reply, why, why_size))
        return false;
    if (c->step == LOGIN_DONE) {
        c->retry_ms = 0;
        c->events->up(c->ctx);
    }
    return true;
}

/* Handle all answers in the parser. False: as connection_answer(). */
static bool connection_answers(struct connection *c, char *why, size_t why_size)
{
    const struct redis_reply *reply;
    enum redis_reply_status status;

    while ((status = redis_reader_next(c->reader, &reply)) == REPLY_COMPLETE)
        if (!connection_answer(c, reply, why, why_size))
            return false;
    if (status == REPLY_INCOMPLETE)
        return true;
    snprintf(why, why_size,
             "the server's answer is not that of Redis, or longer than %d bytes (check `port:` and "
             "`tls:`)",
             REDIS_REPLY_MAX);
    return false;
}

static void connection_on_readable(struct bufferevent *socket, void *ctx)
{
    struct connection *c = ctx;
    char bytes[FEED_SIZE], why[384];
    int n;

    while ((n = evbuffer_remove(bufferevent_get_input(socket), bytes, sizeof bytes)) > 0) {
        snprintf(why, sizeof why, "no memory");
        if (!redis_reader_feed(c->reader, bytes, (size_t)n) ||
            !connection_answers(c, why, sizeof why)) {
            connection_lost(c, why);
            return;
        }
    }
    if (c->renew && c->sent.count == 0)
        connection_lost(c, NULL);
    else if (c->step == LOGIN_DONE)
        c->events->drained(c->ctx);
}

/* ---- connecting ------------------------------------------------------------------ */

static bool connection_try_next_address(struct connection *c, char *why, size_t why_size);

static void connection_on_event(struct bufferevent *socket, short what, void *ctx)
{
    struct connection *c = ctx;
    char error[256], why[384];

    if (what & BEV_EVENT_CONNECTED) {
        c->connected = true;
        c->next_address = NULL;
        if (!connection_begin_login(c, why, sizeof why))
            connection_lost(c, why);
        return;
    }
    fr_tls_client_error(socket, what, "the server closed the connection", error, sizeof error);
    snprintf(why, sizeof why, "%s%s", error,
             strchr(error, '(') != NULL ? "" /* it has a remedy */
             : c->connected             ? " (see the server's log, and check `tls:`)"
                                        : " (is Redis running there?)");
    if (!c->connected && c->next_address != NULL && connection_try_next_address(c, why, sizeof why))
        return;
    connection_lost(c, why);
}

/* Connect to an address. False, with the reason in `why`. */
static bool connection_connect_to(struct connection *c, const struct sockaddr *address,
                                  socklen_t len, SSL_CTX *tls, char *why, size_t why_size)
{
    if (c->socket != NULL)
        bufferevent_free(c->socket);
    c->socket =
        fr_tls_client_socket(tls, c->host->text(c->sink, "host"), c->host->event_base(c->sink));
    snprintf(why, why_size, "no memory");
    if (c->socket == NULL)
        return false;
    bufferevent_setcb(c->socket, connection_on_readable, NULL, connection_on_event, c);
    bufferevent_setwatermark(c->socket, EV_READ, 0, INPUT_MAX);
    bufferevent_enable(c->socket, EV_READ | EV_WRITE);
    if (bufferevent_socket_connect(c->socket, address, (int)len) == 0)
        return true;
    snprintf(why, why_size, "%s", strerror(errno));
    return false;
}

/* The certificates are read for each connection, because they may have been renewed. */
static bool connection_try_next_address(struct connection *c, char *why, size_t why_size)
{
    const struct addrinfo *address = c->next_address;
    SSL_CTX *tls = NULL;
    bool ok;

    c->begun_ms = fr_clock_monotonic_ms();
    c->next_address = address->ai_next;
    if (c->host->number(c->sink, "tls")) {
        tls = fr_tls_client_context(c->host->text(c->sink, "ca"),
                                    c->host->text(c->sink, "certificate"),
                                    c->host->text(c->sink, "key"), why, why_size);
        if (tls == NULL)
            return false;
    }
    ok = connection_connect_to(c, address->ai_addr, address->ai_addrlen, tls, why, why_size);
    SSL_CTX_free(tls); /* the connection has a reference */
    return ok;
}

static bool connection_connect_to_path(struct connection *c, const char *path, char *why,
                                       size_t why_size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    /* check() has compared the length. */
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return connection_connect_to(c, (const struct sockaddr *)&address, sizeof address, NULL, why,
                                 why_size);
}

static bool connection_resolve(struct connection *c, char *why, size_t why_size)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    char port[24];
    int code;

    snprintf(port, sizeof port, "%lld", (long long)c->host->number(c->sink, "port"));
    code = getaddrinfo(c->host->text(c->sink, "host"), port, &hints, &c->addresses);
    if (code == 0) {
        c->next_address = c->addresses;
        return true;
    }
    c->addresses = NULL;
    snprintf(why, why_size, "%s (check `host:`)",
             code == EAI_SYSTEM ? strerror(errno) : gai_strerror(code));
    return false;
}

static void connection_begin(evutil_socket_t fd, short what, void *ctx)
{
    struct connection *c = ctx;
    const char *path = c->host->text(c->sink, "socket");
    char why[384] = "no memory";
    bool ok;

    (void)fd, (void)what;
    c->begun_ms = c->answered_ms = fr_clock_monotonic_ms();
    c->reader = redis_reader_new();
    ok = c->reader != NULL && (path != NULL ? connection_connect_to_path(c, path, why, sizeof why)
                                            : connection_resolve(c, why, sizeof why) &&
                                                  connection_try_next_address(c, why, sizeof why));
    if (!ok)
        connection_lost(c, why);
}

/* ---- sending --------------------------------------------------------------------- */

bool connection_is_up(const struct connection *c)
{
    return c->step == LOGIN_DONE && !c->renew;
}

size_t connection_unanswered(const struct connection *c)
{
    return c->sent.count;
}

bool connection_has_capacity(const struct connection *c)
{
    return connection_is_up(c) && c->sent.size < UNANSWERED;
}

bool connection_send(struct connection *c, struct fr_delivery *delivery, const void *bytes,
                     size_t len)
{
    struct evbuffer *out = bufferevent_get_output(c->socket);

    if (evbuffer_expand(out, len) != 0 ||
        !requests_add(&c->sent, (struct request){delivery, fr_clock_monotonic_ms(), len}))
        return false;
    evbuffer_add(out, bytes, len); /* has the space */
    return true;
}

bool connection_send_own(struct connection *c, struct fr_text_buffer *request)
{
    bool ok = !request->failed && connection_send(c, NULL, request->bytes, request->len);

    fr_text_buffer_clear(request);
    return ok;
}

void connection_renew(struct connection *c)
{
    c->renew = true;
}

const char *connection_address(const struct connection *c)
{
    return c->address;
}

/* ---- time-outs ------------------------------------------------------------------- */

/* Connecting or the login takes too long: try the next address, or end. */
static void connection_login_expired(struct connection *c)
{
    char why[384];

    if (!c->connected && c->next_address != NULL && connection_try_next_address(c, why, sizeof why))
        return;
    snprintf(why, sizeof why, "the server did not answer the %s within %lld ms (is it Redis%s?)",
             c->connected ? "login" : "connection", (long long)c->timeout_ms,
             c->host->number(c->sink, "tls") ? " with TLS" : "");
    connection_lost(c, why);
}

static void connection_tick(evutil_socket_t fd, short what, void *ctx)
{
    struct connection *c = ctx;
    int64_t now = fr_clock_monotonic_ms();
    const struct request *oldest = requests_first(&c->sent);
    char why[128];

    (void)fd, (void)what;
    if (c->socket == NULL)
        return;
    if (c->step != LOGIN_DONE && now - c->begun_ms > c->timeout_ms)
        connection_login_expired(c);
    else if (oldest != NULL && now - oldest->sent_ms > c->timeout_ms) {
        snprintf(
            why, sizeof why,
            "the server did not answer a request within `timeout:` (%lld ms); is it overloaded?",
            (long long)c->timeout_ms);
        connection_lost(c, why);
    } else if (c->step == LOGIN_DONE && c->sent.count == 0 && now - c->answered_ms > PING_MS &&
               !connection_ping(c))
        connection_lost(c, "no memory");
}

/* ---- open and close -------------------------------------------------------------- */

void connection_free(struct connection *c)
{
    if (c == NULL)
        return;
    connection_close(c);
    requests_free(&c->sent);
    if (c->reconnect != NULL)
        event_free(c->reconnect);
    if (c->tick != NULL)
        event_free(c->tick);
    free(c);
}

static void connection_name(struct connection *c)
{
    const char *path = c->host->text(c->sink, "socket");

    if (path != NULL)
        snprintf(c->address, sizeof c->address, "%s", path);
    else
        snprintf(c->address, sizeof c->address, "%.255s:%lld", c->host->text(c->sink, "host"),
                 (long long)c->host->number(c->sink, "port"));
}

struct connection *connection_new(struct fr_sink *sink, const struct fr_host *host,
                                  const struct connection_events *events, void *ctx)
{
    static const struct timeval now = {0, 0}, tick = {0, TICK_MS * 1000};
    struct connection *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    c->sink = sink;
    c->host = host;
    c->events = events;
    c->ctx = ctx;
    c->timeout_ms = host->number(sink, "timeout");
    c->database = host->number(sink, "database");
    connection_name(c);
    c->reconnect = event_new(host->event_base(sink), -1, 0, connection_begin, c);
    c->tick = event_new(host->event_base(sink), -1, EV_PERSIST, connection_tick, c);
    /* Connecting may wait for a name server, and the main thread waits for open(). Therefore
     * connecting starts in the event loop. */
    if (c->reconnect != NULL && c->tick != NULL && event_add(c->reconnect, &now) == 0 &&
        event_add(c->tick, &tick) == 0)
        return c;
    connection_free(c);
    return NULL;
}
