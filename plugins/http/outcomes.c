#include "http/outcomes.h"

#include <stdio.h>

#include "clock_ms.h"
#include "http/answer_text.h"
#include "http/http_state.h"

#define REASON_SIZE 240 /* bytes of the server's reason, with NUL */

struct http_opinion outcome_opinion(const struct answer *answer, char *why, size_t why_size)
{
    struct http_opinion opinion;
    char reason[REASON_SIZE];

    if (answer->code != CURLE_OK) {
        opinion = http_opinion_of_failure(answer->code, answer->is_connected);
        snprintf(why, why_size, "%.200s%s", answer->error, opinion.remedy);
        return opinion;
    }
    opinion = http_opinion_of_status(answer->status);
    answer_text(answer->reason, reason, sizeof reason);
    if (opinion.verdict == VERDICT_REFUSED && influx_fault_of(reason) != INFLUX_OTHER)
        opinion = (struct http_opinion){VERDICT_INVALID,
                                        influx_fault_of(reason) == INFLUX_CONFLICT
                                            ? " (the field has another type in the database: "
                                              "route it with another `as:`)"
                                            : ""};
    snprintf(why, why_size, "status %ld%s%s%s", answer->status, reason[0] != '\0' ? ": " : "",
             reason, opinion.remedy);
    return opinion;
}

void outcome_done(struct http_sink *sink, struct fr_delivery *const *deliveries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sink->host->done(sink->handle, deliveries[i], FR_DONE);
}

/* Not FR_FAILED: it makes the later deliveries of the vehicle wait in the core, of which more than 64
 * become dead letters. */
void outcome_refused(struct http_sink *sink, struct fr_delivery *delivery, const char *why)
{
    sink->host->fail(sink->handle, delivery, FR_REFUSED, "%s: %s", requests_address(sink->requests),
                     why);
}

void outcome_unfit(struct http_sink *sink, struct fr_delivery *delivery)
{
    outcome_refused(sink, delivery, body_unfit_reason(requests_body(sink->requests)));
}

void outcome_report_up(struct http_sink *sink)
{
    if (!sink->is_up)
        sink->host->health(sink->handle, FR_HEALTH_UP, "%s accepts requests",
                           requests_address(sink->requests));
    sink->is_up = true;
}

void outcome_report_down(struct http_sink *sink, const char *why)
{
    sink->is_up = false;
    sink->host->health(sink->handle, FR_HEALTH_DOWN, "%s: %s", requests_address(sink->requests),
                       why);
}

void outcome_succeeded(struct http_sink *sink)
{
    sink->successes++;
    sink->success_ms = fr_clock_monotonic_ms();
}
