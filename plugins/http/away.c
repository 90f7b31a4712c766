#include "http/away.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/http_state.h"
#include "http/outcomes.h"
#include "text_hash.h"

#define PAUSE_MIN_MS 500
#define PAUSE_MAX_MS 4000
#define ATTEMPTS_ALONE 3 /* before another delivery is sent too */
#define REMEMBERED 64    /* deliveries that were the cause of failures */

struct away {
    struct http_sink *sink;
    struct request *request;
    struct event *timer;
    struct fr_delivery *kept;    /* NULL: the server is not away */
    struct fr_delivery *witness; /* another delivery, sent between the attempts; NULL: none */
    bool sends_witness;          /* the request in progress, or the last one, has it */
    enum http_verdict verdict;   /* of the last attempt of `kept` */
    unsigned attempts;           /* of `kept` */
    int64_t pause_ms;
    uint64_t remembered[REMEMBERED]; /* a ring of hashes; 0: none */
    size_t next_remembered;
};

static void away_on_end(void *ctx, const struct answer *answer);
static void away_attempt(evutil_socket_t fd, short what, void *ctx);

/* ---- open and close -------------------------------------------------------------- */

struct away *away_new(struct http_sink *sink)
{
    struct away *away = calloc(1, sizeof *away);

    if (away == NULL)
        return NULL;
    away->sink = sink;
    away->request = request_new(sink->requests, away_on_end, away);
    away->timer = event_new(sink->host->event_base(sink->handle), -1, 0, away_attempt, away);
    if (away->request != NULL && away->timer != NULL)
        return away;
    away_free(away);
    return NULL;
}

void away_free(struct away *away)
{
    if (away == NULL)
        return;
    request_free(away->request);
    if (away->timer != NULL)
        event_free(away->timer);
    free(away);
}

bool away_is_active(const struct away *away)
{
    return away->kept != NULL;
}

/* ---- memory of causes ------------------------------------------------------------ */

static uint64_t away_hash(const struct fr_delivery *d)
{
    uint64_t hash = fr_text_hash(d->vin) | (uint64_t)fr_text_hash(d->record_type) << 32;

    for (size_t i = 0; i < d->txid_len; i++)
        hash = (hash ^ (unsigned char)d->txid[i]) * 1099511628211u;
    return (hash ^ (uint64_t)d->created_ms ^ d->field) | 1;
}

bool away_knows(const struct away *away, const struct fr_delivery *d)
{
    uint64_t hash = away_hash(d);

    for (size_t i = 0; i < REMEMBERED; i++)
        if (away->remembered[i] == hash)
            return true;
    return false;
}

void away_remember(struct away *away, const struct fr_delivery *d)
{
    if (away_knows(away, d))
        return;
    away->remembered[away->next_remembered] = away_hash(d);
    away->next_remembered = (away->next_remembered + 1) % REMEMBERED;
}

/* ---- beginning and end ----------------------------------------------------------- */

static void away_pause(struct away *away, int64_t min_ms)
{
    int64_t ms = away->pause_ms > min_ms ? away->pause_ms : min_ms;

    event_add(away->timer, &(struct timeval){ms / 1000, ms % 1000 * 1000});
    away->pause_ms = 2 * away->pause_ms < PAUSE_MAX_MS ? 2 * away->pause_ms : PAUSE_MAX_MS;
}

static void away_report(struct away *away, const char *why, int64_t pause_ms)
{
    char text[WHY_SIZE + 64];

    if (pause_ms > PAUSE_MAX_MS)
        snprintf(text, sizeof text, "%s, next attempt in %lld s", why, (long long)pause_ms / 1000);
    outcome_report_down(away->sink, pause_ms > PAUSE_MAX_MS ? text : why);
}

void away_begin(struct away *away, struct fr_delivery *delivery, enum http_verdict verdict,
                const char *why, int64_t pause_ms)
{
    if (away->kept != NULL) {
        outcome_retry(away->sink, &delivery, 1);
        return;
    }
    away->kept = delivery;
    away->verdict = verdict;
    away->attempts = 1;
    away->pause_ms = PAUSE_MIN_MS;
    away_report(away, why, pause_ms);
    away_pause(away, pause_ms);
}

/* The server has accepted a request, or refused one for a reason of its own. */
static void away_end(struct away *away)
{
    struct http_sink *sink = away->sink;

    if (away->witness != NULL)
        outcome_retry(sink, &away->witness, 1);
    away->kept = away->witness = NULL;
    event_del(away->timer);
    sink->successes++;
    sink->returns++;
    outcome_report_up(sink);
}

/* ---- new deliveries -------------------------------------------------------------- */

/* Whether the kept delivery itself may be the cause. */
static bool away_suspects(const struct away *away)
{
    return away->verdict == VERDICT_UNCLEAR && away->attempts >= ATTEMPTS_ALONE;
}

/* Another delivery than the kept one: of another vehicle, so that its order is kept, if there is one. */
static size_t away_choose(const struct away *away, struct fr_delivery *const *batch, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(batch[i]->vin, away->kept->vin) != 0)
            return i;
    return 0;
}

void away_deliver(struct away *away, struct fr_delivery *const *batch, size_t count)
{
    size_t chosen = count;

    if (away->witness == NULL && away_suspects(away) && count != 0) {
        chosen = away_choose(away, batch, count);
        away->witness = batch[chosen];
    }
    for (size_t i = 0; i < count; i++)
        if (i != chosen)
            away->sink->host->done(away->sink->handle, batch[i], FR_RETRY);
}

/* ---- attempts -------------------------------------------------------------------- */

/* Handle a delivery that needs no request. */
static void away_needless(struct away *away, struct fr_delivery *d, enum request_added added)
{
    struct http_sink *sink = away->sink;

    if (added == REQUEST_UNFIT)
        outcome_unfit(sink, d);
    else
        outcome_done(sink, &d, 1);
    if (d == away->witness)
        away->witness = NULL;
    else {
        away->kept = away->witness;
        away->witness = NULL;
    }
    if (away->kept != NULL)
        away_pause(away, 0);
    else
        away_end(away);
}

static void away_failed(struct away *away, enum http_verdict verdict, const char *why,
                        int64_t pause_ms)
{
    if (away->sends_witness) {
        outcome_retry(away->sink, &away->witness, 1);
        away->witness = NULL;
        /* The server fails for other deliveries too. */
        away->attempts = 0;
    } else {
        away->verdict = verdict;
        away->attempts++;
    }
    away_report(away, why, pause_ms);
    away_pause(away, pause_ms);
}

static void away_attempt(evutil_socket_t fd, short what, void *ctx)
{
    struct away *away = ctx;
    struct fr_delivery *d;
    enum request_added added;
    char why[WHY_SIZE];

    (void)fd, (void)what;
    away->sends_witness = away->witness != NULL && away_suspects(away);
    d = away->sends_witness ? away->witness : away->kept;
    if (!request_begin(away->request, BODY_TOGETHER, 1, why, sizeof why)) {
        away_failed(away, VERDICT_AWAY, why, 0);
        return;
    }
    added = request_add(away->request, d);
    if (added != REQUEST_ADDED)
        away_needless(away, d, added);
    else if (!request_send(away->request, why, sizeof why))
        away_failed(away, VERDICT_AWAY, why, 0);
}

/* The server accepts another delivery: the kept one is the cause. */
static void away_blame_kept(struct away *away)
{
    char why[160];

    snprintf(why, sizeof why,
             "the server fails at this record and accepts others (see the server's log)");
    away_remember(away, away->kept);
    outcome_refused(away->sink, away->kept, VERDICT_FAILED, why);
}

/* The server has answered the request, and works. */
static void away_answered(struct away *away, enum http_verdict verdict, const char *why)
{
    struct http_sink *sink = away->sink;
    struct fr_delivery *d = away->sends_witness ? away->witness : away->kept;

    if (verdict == VERDICT_DONE)
        outcome_done(sink, &d, 1);
    else
        outcome_refused(sink, d, verdict, why);
    if (away->sends_witness) {
        away->witness = NULL;
        away_blame_kept(away);
    }
    away_end(away);
}

static void away_on_end(void *ctx, const struct answer *answer)
{
    struct away *away = ctx;
    char why[WHY_SIZE];
    struct http_opinion opinion = outcome_opinion(answer, why, sizeof why);

    if (answer->status == 401 || answer->status == 403)
        requests_forget_secrets(away->sink->requests);
    if (opinion.verdict == VERDICT_UNCLEAR || opinion.verdict == VERDICT_AWAY)
        away_failed(away, opinion.verdict, why, answer->retry_after_ms);
    else
        away_answered(away, opinion.verdict, why);
}
