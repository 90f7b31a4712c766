#include "http/lane.h"

#include <stdlib.h>
#include <string.h>

#include "http/answer_text.h"
#include "http/away.h"
#include "http/http_state.h"
#include "http/outcomes.h"
#include "http/queue.h"

struct lane {
    struct http_sink *sink;
    struct request *request;
    struct queue waiting;
    struct fr_delivery **sent; /* of the request in progress */
    size_t sent_count;
    size_t step;         /* max deliveries of the next request */
    enum body_mode mode; /* of the next request */
    size_t halved;       /* deliveries of a request that failed, and that have no outcome yet */
    uint64_t returns;    /* sink->returns when the last request began */
    uint64_t successes_before; /* sink->successes when that request failed */
};

/* ---- open and close -------------------------------------------------------------- */

static void lane_on_end(void *ctx, const struct answer *answer);

struct lane *lane_new(struct http_sink *sink)
{
    struct lane *lane = calloc(1, sizeof *lane);

    if (lane == NULL)
        return NULL;
    lane->sink = sink;
    lane->step = requests_max(sink->requests);
    lane->sent = calloc(requests_max(sink->requests), sizeof(struct fr_delivery *));
    lane->request = request_new(sink->requests, lane_on_end, lane);
    if (lane->sent != NULL && lane->request != NULL)
        return lane;
    lane_free(lane);
    return NULL;
}

void lane_free(struct lane *lane)
{
    if (lane == NULL)
        return;
    request_free(lane->request);
    queue_free(&lane->waiting);
    free(lane->sent);
    free(lane);
}

/* ---- sending --------------------------------------------------------------------- */

bool lane_add(struct lane *lane, struct fr_delivery *delivery)
{
    return queue_add(&lane->waiting, delivery);
}

void lane_return_waiting(struct lane *lane)
{
    struct http_sink *sink = lane->sink;

    while (lane->waiting.count != 0)
        sink->host->done(sink->handle, queue_take(&lane->waiting), FR_RETRY);
    lane->halved = 0;
    lane->mode = BODY_TOGETHER;
}

/* Move deliveries from the queue to the request. */
static void lane_fill(struct lane *lane)
{
    struct http_sink *sink = lane->sink;
    struct fr_delivery *d;

    lane->sent_count = 0;
    while ((d = queue_first(&lane->waiting)) != NULL) {
        enum request_added added = request_add(lane->request, d);

        if (added == REQUEST_FULL)
            return;
        queue_take(&lane->waiting);
        if (added == REQUEST_ADDED)
            lane->sent[lane->sent_count++] = d;
        else if (added == REQUEST_NOTHING)
            outcome_done(sink, &d, 1);
        else
            outcome_unfit(sink, d);
    }
}

/* The server is away: one delivery is kept for the next attempts; all others wait. */
static void lane_begin_away(struct lane *lane, enum http_verdict verdict, const char *why,
                            int64_t pause_ms)
{
    struct http_sink *sink = lane->sink;

    away_begin(sink->away, lane->sent[0], verdict, why, pause_ms);
    outcome_retry(sink, lane->sent + 1, lane->sent_count - 1);
    lane->sent_count = 0;
    for (size_t i = 0; i < sink->lane_count; i++)
        lane_return_waiting(sink->lanes[i]);
}

void lane_send(struct lane *lane)
{
    const struct http_sink *sink = lane->sink;
    char why[WHY_SIZE];
    bool ok;

    if (request_is_active(lane->request) || lane->waiting.count == 0)
        return;
    if (lane->returns != sink->returns) /* begin with small requests */
        lane->step = 1;
    lane->returns = sink->returns;
    ok = request_begin(lane->request, lane->mode, lane->step, why, sizeof why);
    if (!ok) {
        lane->sent[0] = queue_take(&lane->waiting);
        lane->sent_count = 1;
        lane_begin_away(lane, VERDICT_AWAY, why, 0);
        return;
    }
    lane_fill(lane);
    if (lane->sent_count != 0 && !request_send(lane->request, why, sizeof why))
        lane_begin_away(lane, VERDICT_AWAY, why, 0);
}

/* ---- answers --------------------------------------------------------------------- */

/* `count` deliveries of the request have their outcome. */
static void lane_passed(struct lane *lane, size_t count)
{
    lane->halved = count < lane->halved ? lane->halved - count : 0;
    lane->mode = BODY_TOGETHER;
    lane->sent_count = 0;
}

static void lane_accepted(struct lane *lane)
{
    struct http_sink *sink = lane->sink;
    size_t max = requests_max(sink->requests);

    outcome_done(sink, lane->sent, lane->sent_count);
    lane_passed(lane, lane->sent_count);
    lane->step = 2 * lane->step < max ? 2 * lane->step : max;
    sink->successes++;
    outcome_report_up(sink);
}

/* Put the deliveries of the request back; the next requests have at most `step` of them. */
static void lane_put_back(struct lane *lane, size_t step)
{
    if (lane->halved == 0)
        lane->successes_before = lane->sink->successes;
    if (lane->halved < lane->sent_count)
        lane->halved = lane->sent_count;
    while (lane->sent_count != 0) {
        struct fr_delivery *d = lane->sent[--lane->sent_count];

        if (!queue_put_back(&lane->waiting, d))
            outcome_retry(lane->sink, &d, 1);
    }
    lane->step = step;
}

/* The server does not accept one delivery alone. */
static void lane_refused(struct lane *lane, enum http_verdict verdict, const char *why)
{
    if (lane->mode == BODY_TOGETHER && body_can_split(requests_body(lane->sink->requests)) &&
        influx_fault_of(why) == INFLUX_CONFLICT) {
        lane_put_back(lane, 1);
        lane->mode = BODY_SPLIT;
        return;
    }
    outcome_refused(lane->sink, lane->sent[0], verdict, why);
    lane_passed(lane, 1);
}

/* Nobody knows whether one delivery or the server is the cause. If the server accepted another part of
 * the same request meanwhile, the delivery is. */
static void lane_unclear(struct lane *lane, const char *why, int64_t pause_ms)
{
    struct http_sink *sink = lane->sink;

    if ((lane->halved != 0 && sink->successes > lane->successes_before) ||
        away_knows(sink->away, lane->sent[0])) {
        away_remember(sink->away, lane->sent[0]);
        outcome_refused(sink, lane->sent[0], VERDICT_FAILED, why);
        lane_passed(lane, 1);
    } else
        lane_begin_away(lane, VERDICT_UNCLEAR, why, pause_ms);
}

static void lane_judge(struct lane *lane, const struct answer *answer)
{
    char why[WHY_SIZE];
    struct http_opinion opinion = outcome_opinion(answer, why, sizeof why);

    if (opinion.verdict == VERDICT_DONE)
        lane_accepted(lane);
    else if (away_is_active(lane->sink->away)) {
        outcome_retry(lane->sink, lane->sent, lane->sent_count);
        lane_passed(lane, lane->sent_count);
    } else if (opinion.verdict == VERDICT_AWAY)
        lane_begin_away(lane, VERDICT_AWAY, why, answer->retry_after_ms);
    else if (lane->sent_count > 1)
        lane_put_back(lane, lane->sent_count / 2);
    else if (opinion.verdict == VERDICT_UNCLEAR)
        lane_unclear(lane, why, answer->retry_after_ms);
    else
        lane_refused(lane, opinion.verdict, why);
}

static void lane_on_end(void *ctx, const struct answer *answer)
{
    struct lane *lane = ctx;

    if (answer->status == 401 || answer->status == 403)
        requests_forget_secrets(lane->sink->requests);
    lane_judge(lane, answer);
    lane_send(lane);
}
