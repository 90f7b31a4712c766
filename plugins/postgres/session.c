#include "postgres/session.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock_ms.h"
#include "password_file.h"
#include "postgres/login.h"
#include "postgres/servers.h"
#include "postgres/server_text.h"
#include "postgres/sqlstate.h"

#define RETRY_MIN_MS 500
#define RETRY_MAX_MS 4000
#define TICK_MS 500         /* interval of the checks for time-outs */
#define PING_MS 3500        /* without an answer: the server is checked */
#define STUCK_MAX 2         /* logins whose threads compute without an end */
#define TRANSACTIONS_MAX 16 /* without an outcome */
#define PARAMETERS_MAX 2048 /* of a statement: a value of each column of a table */

enum session_step { STEP_CLOSED, STEP_RESOLVING, STEP_CONNECTING, STEP_UP };

struct transaction {
    session_answer *answer; /* NULL: one of the session itself */
    void *tag;
    int64_t sent_ms;
    PGresult *result; /* the first error, or the last result; owned */
};

struct session {
    struct fr_sink *sink;
    const struct fr_host *host;
    const struct session_events *events;
    void *ctx;
    int64_t timeout_ms;
    struct servers *servers;
    PGconn *connection;             /* NULL: not connected */
    struct login *login;            /* NULL: none runs */
    struct login *stuck[STUCK_MAX]; /* cancelled, and still computing; NULL: none */
    enum session_step step;
    struct event *socket; /* of the connection; NULL: none */
    struct event *begin, *tick;
    struct transaction sent[TRANSACTIONS_MAX]; /* a ring */
    size_t first, count;
    size_t own;  /* of the session itself, in `sent` */
    bool failed; /* a statement of the next transaction was not added */
    bool renew;  /* see session_renew() */
    char renew_why[256];
    size_t input;        /* bytes since the end of the last transaction */
    int64_t begun_ms;    /* monotonic: when connecting to this address began */
    int64_t answered_ms; /* monotonic: the end of the last transaction */
    int64_t retry_ms;    /* pause before the next connection */
    char address[400];
};

/* ---- ending ---------------------------------------------------------------------- */

static struct transaction session_take(struct session *s)
{
    struct transaction t = s->sent[s->first];

    s->first = (s->first + 1) % TRANSACTIONS_MAX;
    s->count--;
    s->own -= t.answer == NULL;
    return t;
}

/* A place for a login that does not end; STUCK_MAX: none is free. */
static int session_stuck_place(const struct session *s)
{
    int place = 0;

    while (place < STUCK_MAX && s->stuck[place] != NULL)
        place++;
    return place;
}

/* session_begin() starts a login only if there is a place. */
static void session_cancel_login(struct session *s)
{
    int place = session_stuck_place(s);

    if (s->login != NULL && !login_cancel(s->login)) {
        if (place < STUCK_MAX)
            s->stuck[place] = s->login;
        else
            login_free(s->login);
    }
    s->login = NULL;
}

static void session_disconnect(struct session *s)
{
    session_cancel_login(s);
    if (s->socket != NULL)
        event_free(s->socket);
    s->socket = NULL;
    PQfinish(s->connection);
    s->connection = NULL;
    s->step = STEP_CLOSED;
    s->renew = s->failed = false;
}

static void session_begin_in(struct session *s, int64_t ms)
{
    event_add(s->begin, &(struct timeval){ms / 1000, ms % 1000 * 1000});
}

/* End the connection, report it and schedule the next one. `why` is without the address. */
static void session_lost(struct session *s, const char *why)
{
    bool next = s->step != STEP_UP && servers_has_more(s->servers);
    char text[900];

    snprintf(text, sizeof text, "%.300s: %.500s", s->address, why);
    session_disconnect(s);
    if (s->retry_ms < RETRY_MIN_MS)
        s->retry_ms = RETRY_MIN_MS;
    session_begin_in(s, next ? 0 : s->retry_ms);
    if (!next)
        s->retry_ms = 2 * s->retry_ms < RETRY_MAX_MS ? 2 * s->retry_ms : RETRY_MAX_MS;
    while (s->count != 0) {
        struct transaction t = session_take(s);

        PQclear(t.result);
        if (t.answer != NULL)
            t.answer(s->ctx, t.tag, NULL);
    }
    s->events->lost(s->ctx, text);
}

/* As session_lost(), with libpq's reason. */
static void session_broken(struct session *s, const char *otherwise)
{
    char state[6], text[300], why[500];
    const char *message = s->connection != NULL ? PQerrorMessage(s->connection) : "no memory";
    const char *remedy;

    db_error_find_state(message, state);
    server_text(message, text, sizeof text);
    remedy = server_login_remedy(text);
    if (remedy == NULL)
        remedy = state[0] != '\0' ? db_error_of(state).remedy : otherwise;
    snprintf(why, sizeof why, "%s%s",
             text[0] != '\0' ? text : "the server's answer is not that of PostgreSQL", remedy);
    session_lost(s, why);
}

/* ---- answers --------------------------------------------------------------------- */

static void session_keep_result(struct transaction *t, PGresult *result)
{
    ExecStatusType old = t->result != NULL ? PQresultStatus(t->result) : PGRES_EMPTY_QUERY;

    if (old == PGRES_FATAL_ERROR) {
        PQclear(result);
        return;
    }
    PQclear(t->result);
    t->result = result;
}

static void session_end_transaction(struct session *s)
{
    struct transaction t = session_take(s);

    s->input = 0;
    s->answered_ms = fr_clock_monotonic_ms();
    if (t.answer != NULL && t.result != NULL)
        t.answer(s->ctx, t.tag, t.result);
    PQclear(t.result);
}

/* Handle one result. False: it is none of a server that works. */
static bool session_result(struct session *s, PGresult *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_PIPELINE_SYNC:
        PQclear(result);
        if (s->sent[s->first].result == NULL)
            return false;
        session_end_transaction(s);
        return true;
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_FATAL_ERROR:
    case PGRES_PIPELINE_ABORTED:
        session_keep_result(&s->sent[s->first], result);
        return true;
    case PGRES_EMPTY_QUERY:
    case PGRES_COPY_OUT:
    case PGRES_COPY_IN:
    case PGRES_COPY_BOTH:
    case PGRES_BAD_RESPONSE:
    case PGRES_NONFATAL_ERROR:
    case PGRES_SINGLE_TUPLE:
    default:
        PQclear(result);
        return false;
    }
}

/* Handle all complete results. False: the connection is of no use. */
static bool session_results(struct session *s)
{
    PGnotify *notify;

    while (s->count != 0 && !PQisBusy(s->connection)) {
        PGresult *result = PQgetResult(s->connection); /* NULL: the end of a statement */

        if (result != NULL && !session_result(s, result))
            return false;
        if (PQstatus(s->connection) == CONNECTION_BAD)
            return false;
    }
    while ((notify = PQnotifies(s->connection)) != NULL)
        PQfreemem(notify);
    return PQstatus(s->connection) != CONNECTION_BAD;
}

static void session_watch(struct session *s, short what);

/* Send what libpq holds, and wait for the events that it needs. */
static void session_flush(struct session *s)
{
    int left = PQflush(s->connection);

    if (left < 0)
        session_broken(s, " (see the server's log)");
    else
        session_watch(s, (short)(left > 0 ? EV_READ | EV_WRITE : EV_READ));
}

#define TOO_MUCH "the server sends more than 4 MiB without an answer (is it PostgreSQL?)"

static void session_on_event(evutil_socket_t fd, short what, void *ctx)
{
    struct session *s = ctx;
    char why[sizeof s->renew_why];

    (void)fd;
    if (what & EV_READ && !login_count_input(s->connection, &s->input)) {
        session_lost(s, TOO_MUCH);
        return;
    }
    if ((what & EV_READ && !PQconsumeInput(s->connection)) || !session_results(s)) {
        session_broken(s, " (see the server's log)");
        return;
    }
    if (s->renew) {
        memcpy(why, s->renew_why, sizeof why);
        session_lost(s, why);
        return;
    }
    session_flush(s);
}

/* ---- connecting ------------------------------------------------------------------ */

/* Wait for events of the socket. */
static void session_watch(struct session *s, short what)
{
    if (s->socket != NULL && event_get_events(s->socket) == (what | EV_PERSIST))
        return;
    if (s->socket != NULL)
        event_free(s->socket);
    login_bound_buffer(s->connection);
    s->socket = event_new(s->host->event_base(s->sink), PQsocket(s->connection),
                          (short)(what | EV_PERSIST), session_on_event, s);
    if (s->socket == NULL || event_add(s->socket, NULL) != 0)
        session_renew(s, "no memory");
}

static void session_ignore_notice(void *ctx, const PGresult *result)
{
    (void)ctx, (void)result;
}

static void session_connected(struct session *s)
{
    if (PQsetnonblocking(s->connection, 1) != 0 || !PQenterPipelineMode(s->connection)) {
        session_broken(s, "");
        return;
    }
    s->step = STEP_UP;
    s->retry_ms = 0;
    s->input = 0;
    s->answered_ms = fr_clock_monotonic_ms();
    session_watch(s, EV_READ);
    s->events->up(s->ctx);
}

static void session_logged_in(void *ctx, PGconn *connection, bool too_much)
{
    struct session *s = ctx;

    session_cancel_login(s);
    s->connection = connection;
    if (too_much)
        session_lost(s, TOO_MUCH);
    else if (PQstatus(connection) != CONNECTION_OK)
        session_broken(s, " (is it PostgreSQL? check `connection:`)");
    else
        session_connected(s);
}

/* There is an address, or the reason why there is none. */
static void session_connect(void *ctx, const char *why)
{
    struct session *s = ctx;
    const char *path = s->host->text(s->sink, "password_file");
    char password[FR_PASSWORD_SIZE], mistake[400];

    snprintf(s->address, sizeof s->address, "%s", servers_address(s->servers));
    if (why != NULL ||
        (path != NULL && !fr_password_read(path, password, mistake, sizeof mistake))) {
        session_lost(s, why != NULL ? why : mistake);
        return;
    }
    s->step = STEP_CONNECTING;
    s->input = 0;
    s->connection = servers_connect(s->servers, path != NULL ? password : NULL);
    explicit_bzero(password, sizeof password);
    if (s->connection == NULL || PQstatus(s->connection) == CONNECTION_BAD) {
        session_broken(s, " (is it PostgreSQL? check `connection:`)");
        return;
    }
    PQsetErrorVerbosity(s->connection, PQERRORS_VERBOSE); /* with the SQLSTATE */
    PQsetNoticeReceiver(s->connection, session_ignore_notice, NULL);
    s->login = login_start(s->connection, s->host->event_base(s->sink), session_logged_in, s);
    if (s->login == NULL)
        session_lost(s, "no memory, or no thread for the login");
    else
        s->connection = NULL; /* the login's */
}

static void session_begin(evutil_socket_t fd, short what, void *ctx)
{
    struct session *s = ctx;

    (void)fd, (void)what;
    s->begun_ms = fr_clock_monotonic_ms();
    for (int i = 0; i < STUCK_MAX; i++)
        if (s->stuck[i] != NULL && login_cancel(s->stuck[i]))
            s->stuck[i] = NULL;
    if (session_stuck_place(s) == STUCK_MAX) {
        session_lost(s, "the server asks for a login that takes minutes (is it yours? see "
                        "scram_iterations of the server)");
        return;
    }
    s->step = STEP_RESOLVING;
    servers_next(s->servers, session_connect, s);
}

/* ---- sending --------------------------------------------------------------------- */

bool session_is_up(const struct session *s)
{
    return s->step == STEP_UP && !s->renew;
}

size_t session_unanswered(const struct session *s)
{
    return s->count - s->own;
}

void session_add(struct session *s, const char *sql, const struct session_value *values,
                 size_t count)
{
    const char *bytes[PARAMETERS_MAX];
    int lengths[PARAMETERS_MAX], formats[PARAMETERS_MAX];

    if (!session_is_up(s) || sql == NULL || count > PARAMETERS_MAX) {
        s->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        bytes[i] = values[i].bytes;
        lengths[i] = (int)values[i].len;
        formats[i] = 1;
    }
    if (!s->failed &&
        !PQsendQueryParams(s->connection, sql, (int)count, NULL, bytes, lengths, formats, 0))
        s->failed = true;
}

bool session_commit(struct session *s, session_answer *answer, void *tag)
{
    int64_t now = fr_clock_monotonic_ms();
    bool failed = s->failed;

    s->failed = false;
    if (!session_is_up(s) || failed || s->count == TRANSACTIONS_MAX ||
        !PQpipelineSync(s->connection)) {
        session_renew(s, "no memory, or the connection is broken");
        return false;
    }
    s->sent[(s->first + s->count) % TRANSACTIONS_MAX] =
        (struct transaction){.answer = answer, .tag = tag, .sent_ms = now};
    s->count++;
    s->own += answer == NULL;
    session_watch(s, EV_READ | EV_WRITE); /* flushed in the next event */
    return true;
}

void session_renew(struct session *s, const char *why)
{
    if (s->step != STEP_UP)
        return;
    s->renew = true;
    snprintf(s->renew_why, sizeof s->renew_why, "%s", why);
    if (s->socket != NULL)
        event_active(s->socket, 0, 0);
}

const char *session_address(const struct session *s)
{
    return s->address;
}

/* ---- time-outs ------------------------------------------------------------------- */

static void session_check_answers(struct session *s, int64_t now)
{
    int64_t sent_ms = s->count != 0 ? s->sent[s->first].sent_ms : 0;
    int64_t since = sent_ms > s->answered_ms ? sent_ms : s->answered_ms;
    char why[160];

    if (s->count != 0 && now - since > s->timeout_ms) {
        snprintf(why, sizeof why,
                 "the server did not answer within `timeout:` (%lld ms); is it overloaded, or a "
                 "table locked?",
                 (long long)s->timeout_ms);
        session_lost(s, why);
    } else if (s->count == 0 && now - s->answered_ms > PING_MS) {
        session_add(s, "SELECT 1", NULL, 0);
        session_commit(s, NULL, NULL);
    }
}

static void session_tick(evutil_socket_t fd, short what, void *ctx)
{
    struct session *s = ctx;
    int64_t now = fr_clock_monotonic_ms();
    char why[160];

    (void)fd, (void)what;
    if (s->step == STEP_UP) {
        session_check_answers(s, now);
        return;
    }
    if (s->step == STEP_CLOSED || now - s->begun_ms <= s->timeout_ms)
        return;
    snprintf(why, sizeof why, "%s within %lld ms (is it PostgreSQL?)",
             s->step == STEP_RESOLVING ? "the name server did not answer"
                                       : "the server did not complete the login",
             (long long)s->timeout_ms);
    session_lost(s, why);
}

/* ---- open and close -------------------------------------------------------------- */

void session_free(struct session *s)
{
    if (s == NULL)
        return;
    session_disconnect(s);
    for (int i = 0; i < STUCK_MAX; i++)
        login_free(s->stuck[i]);
    while (s->count != 0)
        PQclear(session_take(s).result);
    servers_free(s->servers);
    if (s->begin != NULL)
        event_free(s->begin);
    if (s->tick != NULL)
        event_free(s->tick);
    free(s);
}

struct session *session_new(struct fr_sink *sink, const struct fr_host *host,
                            const struct session_events *events, void *ctx)
{
    struct event_base *base = host->event_base(sink);
    struct session *s = calloc(1, sizeof *s);
    char why[256];

    if (s == NULL)
        return NULL;
    s->sink = sink;
    s->host = host;
    s->events = events;
    s->ctx = ctx;
    s->timeout_ms = host->number(sink, "timeout");
    s->servers = servers_new(host->text(sink, "connection"), base, why, sizeof why);
    s->begin = event_new(base, -1, 0, session_begin, s);
    s->tick = event_new(base, -1, EV_PERSIST, session_tick, s);
    if (s->servers != NULL && s->begin != NULL && s->tick != NULL &&
        event_add(s->tick, &(struct timeval){0, TICK_MS * 1000}) == 0) {
        session_begin_in(s, 0);
        return s;
    }
    session_free(s);
    return NULL;
}
