#include "http/lane.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "clock_ms.h"
#include "delivery_list.h"
#include "http/answer_text.h"
#include "http/away.h"
#include "http/http_state.h"
#include "http/outcomes.h"

#define RECENT_MS 5000   /* a request that was accepted then shows that the server works */
#define TRIES_MAX 4      /* of a delivery at which the server fails and that is the cause */
#define TRY_PAUSE_MS 200 /* before the second one; doubles */
#define LESSON_MS 60000  /* after such a delivery, the next one has a single try */

struct lane {
    struct http_sink *sink;
    struct event *timer; /* the end of the pause between two tries */
    unsigned tries;      /* of the first delivery; 0: it is not suspected */
    int64_t lesson_ms;   /* monotonic: when such a delivery was last refused; 0: never */
    struct request *request;
    struct delivery_list waiting;
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
static void lane_on_timer(evutil_socket_t fd, short what, void *ctx);

struct lane *lane_new(struct http_sink *sink)
{
    struct lane *lane = calloc(1, sizeof *lane);

    if (lane == NULL)
        return NULL;
    lane->sink = sink;
    lane->step = requests_max(sink->requests);
    lane->sent = calloc(requests_max(sink->requests), sizeof(struct fr_delivery *));
    lane->request = request_new(sink->requests, lane_on_end, lane);
    lane->timer = event_new(sink->host->event_base(sink->handle), -1, 0, lane_on_timer, lane);
    if (lane->sent != NULL && lane->request != NULL && lane->timer != NULL)
        return lane;
    lane_free(lane);
    return NULL;
}

void lane_free(struct lane *lane)
{
    if (lane == NULL)
        return;
    request_free(lane->request);
    if (lane->timer != NULL)
        event_free(lane->timer);
    free(lane->sent);
    free(lane);
}

/* ---- sending --------------------------------------------------------------------- */

void lane_add(struct lane *lane, struct fr_delivery *delivery)
{
    delivery_list_add(&lane->waiting, delivery);
}

void lane_return_waiting(struct lane *lane)
{
    struct http_sink *sink = lane->sink;

    while (lane->waiting.count != 0)
        away_return(sink->away, delivery_list_take(&lane->waiting));
    event_del(lane->timer);
    lane->halved = 0;
    lane->tries = 0;
    lane->mode = BODY_TOGETHER;
}

/* Move deliveries from the queue to the request. */
static void lane_fill(struct lane *lane)
{
    struct http_sink *sink = lane->sink;
    struct fr_delivery *d;

    lane->sent_count = 0;
    while ((d = lane->waiting.first) != NULL) {
        enum request_added added = request_add(lane->request, d);

        if (added == REQUEST_FULL)
            return;
        delivery_list_take(&lane->waiting);
        if (added == REQUEST_ADDED)
            lane->sent[lane->sent_count++] = d;
        else if (added == REQUEST_NOTHING)
            outcome_done(sink, &d, 1);
        else
            outcome_unfit(sink, d);
    }
}

static void lane_mark_repeated(struct lane *lane)
{
    for (size_t i = 0; i < lane->sent_count; i++)
        lane->sent[i]->flags |= FR_FLAG_REPEATED;
}

/* The server is away: all deliveries wait. Those of the request may have arrived. */
static void lane_begin_away(struct lane *lane, enum http_verdict verdict, const char *why,
                            int64_t pause_ms)
{
    struct http_sink *sink = lane->sink;

    lane_mark_repeated(lane);
    away_begin(sink->away, lane->sent[0], verdict, why, pause_ms);
    for (size_t i = 1; i < lane->sent_count; i++)
        away_return(sink->away, lane->sent[i]);
    lane->sent_count = 0;
    for (size_t i = 0; i < sink->lane_count; i++)
        lane_return_waiting(sink->lanes[i]);
}

void lane_send(struct lane *lane)
{
    const struct http_sink *sink = lane->sink;
    char why[WHY_SIZE];
    bool ok;

    if (request_is_active(lane->request) || lane->waiting.count == 0 ||
        event_pending(lane->timer, EV_TIMEOUT, NULL))
        return;
    if (lane->returns != sink->returns) /* begin with small requests */
        lane->step = 1;
    lane->returns = sink->returns;
    ok = request_begin(lane->request, lane->mode, lane->step, why, sizeof why);
    if (!ok) {
        lane->sent[0] = delivery_list_take(&lane->waiting);
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
    lane->tries = 0;
    lane->sent_count = 0;
}

static void lane_accepted(struct lane *lane)
{
    struct http_sink *sink = lane->sink;
    size_t max = requests_max(sink->requests);

    outcome_done(sink, lane->sent, lane->sent_count);
    lane_passed(lane, lane->sent_count);
    lane->step = 2 * lane->step < max ? 2 * lane->step : max;
    outcome_succeeded(sink);
    if (!away_is_active(sink->away)) /* otherwise the kept delivery decides */
        outcome_report_up(sink);
}

/* Put the deliveries of the request back; the next requests have at most `step` of them. */
static void lane_put_back(struct lane *lane, size_t step)
{
    if (lane->halved == 0)
        lane->successes_before = lane->sink->successes;
    if (lane->halved < lane->sent_count)
        lane->halved = lane->sent_count;
    while (lane->sent_count != 0)
        delivery_list_add_first(&lane->waiting, lane->sent[--lane->sent_count]);
    lane->step = step;
}

/* Whether the server accepted another part of the same request. */
static bool lane_has_proof(const struct lane *lane)
{
    return lane->halved != 0 && lane->sink->successes > lane->successes_before;
}

static void lane_refuse(struct lane *lane, const char *why)
{
    outcome_refused(lane->sink, lane->sent[0], why);
    lane_passed(lane, 1);
}

/* The server refuses a part of one delivery. */
static void lane_invalid(struct lane *lane, const char *why)
{
    if (lane->mode == BODY_TOGETHER && body_can_split(requests_body(lane->sink->requests)) &&
        influx_fault_of(why) == INFLUX_CONFLICT) {
        lane_put_back(lane, 1);
        lane->mode = BODY_SPLIT;
    } else
        lane_refuse(lane, why);
}

/* The server fails at one delivery and accepts others. Send it again after a pause. */
static void lane_try_again(struct lane *lane, const char *why)
{
    int64_t now = fr_clock_monotonic_ms(), pause_ms = (int64_t)TRY_PAUSE_MS << lane->tries;
    bool had_lesson = lane->lesson_ms != 0 && now - lane->lesson_ms < LESSON_MS;
    unsigned tries = lane->tries + 1;

    if (had_lesson || tries >= TRIES_MAX) {
        lane->lesson_ms = now;
        lane_refuse(lane, why);
        return;
    }
    lane_put_back(lane, 1);
    lane->tries = tries;
    event_add(lane->timer, &(struct timeval){pause_ms / 1000, pause_ms % 1000 * 1000});
}

static void lane_on_timer(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    lane_send(ctx);
}

/* One delivery alone is not accepted. */
static void lane_judge_one(struct lane *lane, enum http_verdict verdict, const char *why,
                           int64_t pause_ms)
{
    const struct http_sink *sink = lane->sink;
    bool is_recent =
        sink->success_ms != 0 && fr_clock_monotonic_ms() - sink->success_ms < RECENT_MS;

    if (verdict == VERDICT_INVALID)
        lane_invalid(lane, why);
    else if (verdict == VERDICT_REFUSED && (is_recent || lane_has_proof(lane)))
        lane_refuse(lane, why);
    else if (verdict == VERDICT_UNCLEAR && lane_has_proof(lane))
        lane_try_again(lane, why);
    else
        lane_begin_away(lane, verdict, why, pause_ms);
}

static void lane_judge(struct lane *lane, const struct answer *answer)
{
    char why[WHY_SIZE];
    struct http_opinion opinion = outcome_opinion(answer, why, sizeof why);

    if (opinion.verdict == VERDICT_DONE)
        lane_accepted(lane);
    else if (away_is_active(lane->sink->away)) {
        lane_mark_repeated(lane);
        for (size_t i = 0; i < lane->sent_count; i++)
            away_return(lane->sink->away, lane->sent[i]);
        lane_passed(lane, lane->sent_count);
    } else if (opinion.verdict == VERDICT_AWAY)
        lane_begin_away(lane, VERDICT_AWAY, why, answer->retry_after_ms);
    else if (lane->sent_count > 1)
        lane_put_back(lane, lane->sent_count / 2);
    else
        lane_judge_one(lane, opinion.verdict, why, answer->retry_after_ms);
}

static void lane_on_end(void *ctx, const struct answer *answer)
{
    struct lane *lane = ctx;

    if (answer->status == 401 || answer->status == 403)
        requests_forget_secrets(lane->sink->requests);
    lane_judge(lane, answer);
    lane_send(lane);
}
