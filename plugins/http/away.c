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
#define ATTEMPTS_ALONE 3   /* of a delivery at which the server fails, before the witness is sent */
#define WITNESS_ATTEMPTS 3 /* before another witness is taken */
#define REMEMBERED 64      /* witnesses that were not accepted */

/* What the request in progress has, or the next one. */
enum phase {
    PHASE_KEPT,
    PHASE_WITNESS,
    PHASE_CONFIRM, /* the kept delivery: the server has just accepted the witness */
};

/* The core passes deliveries again when the plugin has none. Therefore the witness is kept from the
 * beginning. */
struct away {
    struct http_sink *sink;
    struct request *request;
    struct event *timer;
    bool is_active;
    struct fr_delivery *kept;    /* NULL: the server is not away, or away_release() */
    struct fr_delivery *witness; /* another delivery; NULL: none */
    int worth;                   /* of the witness */
    enum phase phase;
    bool is_stopping;          /* nothing is kept any more */
    enum http_verdict verdict; /* of the last attempt of `kept` */
    unsigned attempts;         /* of `kept`, since the last one of `witness` */
    unsigned witness_attempts;
    int64_t pause_ms;
    uint64_t remembered[REMEMBERED]; /* a ring of hashes of witnesses; 0: none */
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
    return away->is_active;
}

/* ---- the witness ----------------------------------------------------------------- */

static uint64_t away_hash(const struct fr_delivery *d)
{
    uint64_t hash = fr_text_hash(d->vin) | (uint64_t)fr_text_hash(d->record_type) << 32;

    for (size_t i = 0; i < d->txid_len; i++)
        hash = (hash ^ (unsigned char)d->txid[i]) * 1099511628211u;
    return (hash ^ (uint64_t)d->created_ms ^ d->field) | 1;
}

static void away_remember(struct away *away, const struct fr_delivery *d)
{
    away->remembered[away->next_remembered] = away_hash(d);
    away->next_remembered = (away->next_remembered + 1) % REMEMBERED;
}

#define WORTH_MAX 3

/* How good a witness is: one that did not fail before, then one of another vehicle, whose order does not
 * depend on the kept delivery. */
static int away_worth(const struct away *away, const struct fr_delivery *d)
{
    uint64_t hash = away_hash(d);
    bool has_failed = false;

    for (size_t i = 0; i < REMEMBERED; i++)
        has_failed |= away->remembered[i] == hash;
    return (has_failed ? 0 : 2) + (strcmp(d->vin, away->kept->vin) != 0);
}

/* ---- beginning and end ----------------------------------------------------------- */

static void away_pause(struct away *away, int64_t min_ms)
{
    int64_t ms = away->pause_ms > min_ms ? away->pause_ms : min_ms;

    event_add(away->timer, &(struct timeval){ms / 1000, ms % 1000 * 1000});
    away->pause_ms = 2 * away->pause_ms < PAUSE_MAX_MS ? 2 * away->pause_ms : PAUSE_MAX_MS;
}

static void away_retry(struct away *away, struct fr_delivery *delivery)
{
    away->sink->host->done(away->sink->handle, delivery, FR_RETRY);
}

static void away_report(struct away *away, const char *why, int64_t pause_ms)
{
    char text[WHY_SIZE + 64];

    if (pause_ms > PAUSE_MAX_MS)
        snprintf(text, sizeof text, "%s, next attempt in %lld s", why, (long long)pause_ms / 1000);
    outcome_report_down(away->sink, pause_ms > PAUSE_MAX_MS ? text : why);
}

void away_return(struct away *away, struct fr_delivery *delivery)
{
    if (away->is_stopping) {
        away_retry(away, delivery);
        return;
    }
    if (away->kept == NULL)
        away->kept = delivery;
    else if (away->witness == NULL)
        away->witness = delivery;
    else if (away->phase != PHASE_WITNESS && away->worth < WORTH_MAX &&
             away_worth(away, delivery) > away->worth) {
        away_retry(away, away->witness);
        away->witness = delivery;
    } else {
        away_retry(away, delivery);
        return;
    }
    away->worth = away->witness != NULL ? away_worth(away, away->witness) : 0;
}

void away_begin(struct away *away, struct fr_delivery *delivery, enum http_verdict verdict,
                const char *why, int64_t pause_ms)
{
    if (away->is_active) {
        away_return(away, delivery);
        return;
    }
    away->is_active = true;
    away->kept = delivery;
    away->phase = PHASE_KEPT;
    away->verdict = verdict;
    away->attempts = 1;
    away->witness_attempts = 0;
    away->pause_ms = PAUSE_MIN_MS;
    away_report(away, why, pause_ms);
    away_pause(away, pause_ms);
}

/* The server has accepted a request, or refused one for a reason of its own. */
static void away_end(struct away *away)
{
    struct http_sink *sink = away->sink;

    if (away->kept != NULL)
        away_retry(away, away->kept);
    if (away->witness != NULL)
        away_retry(away, away->witness);
    away->kept = away->witness = NULL;
    away->is_active = false;
    event_del(away->timer);
    sink->returns++;
    outcome_succeeded(sink);
    outcome_report_up(sink);
}

/* Whether the kept delivery itself may be the cause. */
static bool away_suspects(const struct away *away)
{
    return away->verdict == VERDICT_REFUSED ||
           (away->verdict == VERDICT_UNCLEAR && away->attempts >= ATTEMPTS_ALONE);
}

/* Take another witness: give both deliveries back, so that the core passes all that wait. */
static void away_release(struct away *away)
{
    away_retry(away, away->kept);
    if (away->witness != NULL) {
        away_remember(away, away->witness);
        away_retry(away, away->witness);
    }
    away->kept = away->witness = NULL;
    away->witness_attempts = 0;
    away->attempts = ATTEMPTS_ALONE;
}

void away_flush(struct away *away)
{
    if (!away->is_active)
        return;
    away->is_stopping = true;
    request_cancel(away->request);
    event_del(away->timer);
    if (away->kept != NULL)
        away_release(away);
}

/* ---- attempts -------------------------------------------------------------------- */

static void away_send(struct away *away, enum phase phase);

/* Handle a delivery that needs no request. */
static void away_needless(struct away *away, struct fr_delivery *d, enum request_added added)
{
    struct http_sink *sink = away->sink;

    if (added == REQUEST_UNFIT)
        outcome_unfit(sink, d);
    else
        outcome_done(sink, &d, 1);
    if (d == away->kept) /* the witness takes its position */
        away->kept = away->witness;
    away->witness = NULL;
    away->phase = PHASE_KEPT;
    away_pause(away, 0);
}

/* The server accepted another delivery and fails at the kept one, which is the cause. */
static void away_blame(struct away *away, const char *why)
{
    outcome_refused(away->sink, away->kept, why);
    away->kept = NULL;
    away_end(away);
}

/* Wait until the next attempt, with other deliveries if these do not help. */
static void away_wait(struct away *away, const char *why, int64_t pause_ms)
{
    away->phase = PHASE_KEPT;
    away_report(away, why, pause_ms);
    away_pause(away, pause_ms);
    if (away->witness != NULL ? away->witness_attempts >= WITNESS_ATTEMPTS : away_suspects(away))
        away_release(away);
}

/* The witness follows the kept delivery at once: if the server returns between them, they arrive in
 * another order. */
static void away_failed(struct away *away, enum http_verdict verdict, const char *why,
                        int64_t pause_ms)
{
    if (away->phase == PHASE_WITNESS) { /* the server fails at other deliveries too */
        away->attempts = 0;
        away->witness_attempts++;
        away_wait(away, why, pause_ms);
        return;
    }
    if (away->phase == PHASE_CONFIRM && verdict != VERDICT_AWAY) {
        away_blame(away, why);
        return;
    }
    away->verdict = verdict;
    away->attempts++;
    if (away_suspects(away) && away->witness != NULL && pause_ms == 0)
        away_send(away, PHASE_WITNESS);
    else
        away_wait(away, why, pause_ms);
}

static void away_send(struct away *away, enum phase phase)
{
    struct fr_delivery *d = phase == PHASE_WITNESS ? away->witness : away->kept;
    enum request_added added;
    char why[WHY_SIZE];

    away->phase = phase;
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

static void away_attempt(evutil_socket_t fd, short what, void *ctx)
{
    struct away *away = ctx;

    (void)fd, (void)what;
    if (away->kept == NULL)
        away_pause(away, 0); /* until the core has passed a delivery */
    else
        away_send(away, PHASE_KEPT);
}

/* The server has answered the request, and works. */
static void away_answered(struct away *away, enum http_verdict verdict, const char *why)
{
    struct http_sink *sink = away->sink;
    struct fr_delivery *d = away->phase == PHASE_WITNESS ? away->witness : away->kept;

    if (verdict == VERDICT_DONE)
        outcome_done(sink, &d, 1);
    else
        outcome_refused(sink, d, why);
    if (away->phase == PHASE_WITNESS) { /* the server may have returned meanwhile */
        away->witness = NULL;
        away_send(away, PHASE_CONFIRM);
    } else {
        away->kept = NULL;
        away_end(away);
    }
}

static void away_on_end(void *ctx, const struct answer *answer)
{
    struct away *away = ctx;
    char why[WHY_SIZE];
    struct http_opinion opinion = outcome_opinion(answer, why, sizeof why);

    if (answer->status == 401 || answer->status == 403)
        requests_forget_secrets(away->sink->requests);
    if (opinion.verdict == VERDICT_DONE || opinion.verdict == VERDICT_INVALID)
        away_answered(away, opinion.verdict, why);
    else
        away_failed(away, opinion.verdict, why, answer->retry_after_ms);
}
