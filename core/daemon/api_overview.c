#include "daemon/api_overview.h"

#include <stdlib.h>
#include <string.h>

#include "admin/http_query.h"
#include "daemon/activity.h"
#include "daemon/api_answer.h"
#include "daemon/daemon_state.h"
#include "daemon/health_sentence.h"
#include "ingest/presence_status.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/json_text.h"
#include "util/memory.h"

#define LONG_WAIT_MS 1000 /* handshakes that wait for less are no problem */
#define MINUTES_MAX (FR_ACTIVITY_STEPS * FR_ACTIVITY_STEP_MS / 60000)

/* ---- samples --------------------------------------------------------------------- */

static void overview_sample(struct fr_daemon *d)
{
    const struct fr_ingest *ingest = atomic_load(&d->ingest);
    struct fr_activity_sink sinks[FR_SINKS_MAX];
    struct fr_activity_sample sample = {.wall_ms = fr_wall_ms(),
                                        .monotonic_ms = fr_monotonic_ms(),
                                        .records = fr_count_read(FR_COUNT_RECORDS),
                                        .acknowledged = fr_count_read(FR_COUNT_ACKS),
                                        .sinks = sinks};
    size_t known;

    if (ingest != NULL) {
        fr_presence_count(fr_ingest_presence(d->bound), &sample.connected, &known);
        fr_ingest_ack_delays(ingest, sample.delays);
    }
    for (size_t i = 0; i < d->sink_count && sample.sink_count < FR_SINKS_MAX; i++) {
        struct fr_sink_status s;

        fr_sink_status(d->setup->sinks[i], &s);
        sinks[sample.sink_count++] =
            (struct fr_activity_sink){s.name, s.delivered, s.from_journal ? s.lag : s.unfinished};
    }
    fr_activity_add(d->activity, &sample);
}

static void overview_on_timer(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    overview_sample(ctx);
}

int fr_overview_start(struct fr_daemon *d, struct fr_error *error)
{
    struct timeval interval = fr_timeval(FR_ACTIVITY_STEP_MS);

    d->activity = fr_activity_new(fr_monotonic_ms());
    d->activity_timer = event_new(d->base, -1, EV_PERSIST, overview_on_timer, d);
    if (d->activity_timer == NULL || event_add(d->activity_timer, &interval) != 0)
        return fr_error_set(error, "cannot create a timer");
    return 0;
}

void fr_overview_free(struct fr_daemon *d)
{
    if (d->activity_timer != NULL)
        event_free(d->activity_timer);
    fr_activity_free(d->activity);
}

/* ---- health ---------------------------------------------------------------------- */

/* The facts, with the memory of their texts. */
struct overview_facts {
    struct fr_health_facts facts;
    struct fr_journal_status journal;
    struct fr_history_status history;
    struct fr_upkeep_status keep;
    char certificate_why[FR_CERTIFICATE_AGE_SIZE];
    struct fr_health_part parts[FR_SINKS_MAX + FR_SOURCES_MAX];
    struct fr_sink_status sinks[FR_SINKS_MAX];
    struct fr_source_status sources[FR_SOURCES_MAX];
};

static void overview_read_parts(struct fr_daemon *d, struct overview_facts *o)
{
    size_t count = 0;

    for (size_t i = 0; i < d->sink_count && i < FR_SINKS_MAX; i++) {
        struct fr_sink_status *s = &o->sinks[i];

        fr_sink_status(d->setup->sinks[i], s);
        o->parts[count++] =
            (struct fr_health_part){"sink", s->name, s->health, s->why, s->lag, s->paused};
    }
    for (size_t i = 0; i < d->setup->server->source_count && i < FR_SOURCES_MAX; i++) {
        struct fr_source_status *s = &o->sources[i];

        fr_source_status(d->setup->sources[i], s);
        o->parts[count++] = (struct fr_health_part){"source", s->name, s->health, s->why, 0, false};
    }
    o->facts.parts = o->parts;
    o->facts.part_count = count;
    o->facts.has_sources = d->setup->server->source_count != 0;
}

static void overview_read_facts(struct fr_daemon *d, struct overview_facts *o)
{
    struct fr_health_facts *f = &o->facts;
    struct fr_ingest *ingest = atomic_load(&d->ingest);
    struct fr_handshakes_waiting waiting;

    if (d->journal != NULL) {
        fr_journal_status(d->journal, &o->journal);
        f->journal_stuck = o->journal.stuck;
        f->journal_why = o->journal.why;
    }
    f->certificate = fr_certificate_age(d->setup->tls, fr_wall_ms() / 1000, o->certificate_why);
    f->certificate_why = o->certificate_why;
    if (ingest != NULL) {
        f->out_of_descriptors = fr_ingest_out_of_descriptors(ingest);
        waiting = fr_ingest_handshakes_waiting(ingest);
        f->handshakes_waiting = waiting.longest_ms >= LONG_WAIT_MS ? waiting.queued : 0;
        fr_presence_count(fr_ingest_presence(ingest), &f->connected, &f->known);
    }
    if (fr_upkeep_status(d->upkeep, &d->setup->server->tesla, &o->keep)) {
        f->keep_warning = o->keep.health.warning;
        f->keep_why = o->keep.health.why;
    }
    if (d->history != NULL) {
        fr_history_status(d->history, &o->history);
        f->history_failing = o->history.failing;
        f->history_why = o->history.why;
    }
    overview_read_parts(d, o);
}

static void overview_put_health(struct fr_daemon *d, struct fr_buffer *out)
{
    struct overview_facts *o = fr_calloc(1, sizeof *o);
    struct fr_health_sentence health;

    overview_read_facts(d, o);
    fr_health_sentence(&o->facts, &health);
    fr_buffer_printf(
        out, "\"health\":{\"level\":\"%s\",\"sentence\":", fr_health_level_word(health.level));
    fr_json_string(out, health.sentence, strlen(health.sentence));
    fr_buffer_text(out, ",\"remedy\":");
    if (health.remedy[0] != '\0')
        fr_json_string(out, health.remedy, strlen(health.remedy));
    else
        fr_buffer_text(out, "null");
    fr_buffer_byte(out, '}');
    free(o);
}

/* ---- the endpoint ---------------------------------------------------------------- */

int fr_api_overview(void *daemon, const struct fr_http_call *call, struct fr_buffer *out)
{
    struct fr_daemon *d = daemon;
    int64_t minutes;

    if (!fr_http_query_number(call->query, "minutes", 1, MINUTES_MAX, MINUTES_MAX, &minutes))
        return fr_api_refuse(out, 400, "minutes: a number from 1 to 60");
    fr_buffer_printf(out, "{\"now_ms\":%lld,\"step_ms\":%d,", (long long)fr_wall_ms(),
                     FR_ACTIVITY_STEP_MS);
    overview_put_health(d, out);
    fr_buffer_byte(out, ',');
    fr_activity_put(d->activity, (size_t)minutes * 60000 / FR_ACTIVITY_STEP_MS, out);
    fr_buffer_byte(out, '}');
    return 200;
}
