#include "daemon/status_json.h"

#include <math.h>
#include <string.h>

#include "daemon/published_key.h"
#include "daemon/upkeep.h"
#include "fleet_api/keep_plan.h"
#include "ingest/presence_status.h"
#include "ingest/tls.h"
#include "plugin/host.h"
#include "record/json.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/json_text.h"
#include "util/process.h"

static void status_put_text(struct fr_buffer *out, const char *name, const char *text)
{
    fr_buffer_printf(out, ",\"%s\":", name);
    fr_json_string(out, text, strlen(text));
}

static void status_put_number(struct fr_buffer *out, const char *name, uint64_t number)
{
    fr_buffer_printf(out, ",\"%s\":%llu", name, (unsigned long long)number);
}

static void status_put_flag(struct fr_buffer *out, const char *name, bool flag)
{
    fr_buffer_printf(out, ",\"%s\":%s", name, flag ? "true" : "false");
}

/* {"1":12,"2":40,…,"more":0}: the number of deliveries by delay, keyed by the upper bound in ms. */
static void status_put_delays(struct fr_buffer *out, const uint64_t *delays)
{
    static const int bounds[FR_DELAY_CLASSES - 1] = FR_DELAY_BOUNDS;

    fr_buffer_text(out, ",\"delay_ms\":{");
    for (int i = 0; i < FR_DELAY_CLASSES - 1; i++)
        fr_buffer_printf(out, "\"%d\":%llu,", bounds[i], (unsigned long long)delays[i]);
    fr_buffer_printf(out, "\"more\":%llu}", (unsigned long long)delays[FR_DELAY_CLASSES - 1]);
}

static void status_put_sink(struct fr_buffer *out, const struct fr_sink_status *s)
{
    fr_json_string(out, s->name, strlen(s->name));
    fr_buffer_printf(out, ":{\"health\":\"%s\"", fr_health_word(s->health));
    status_put_text(out, "plugin", s->plugin);
    status_put_text(out, "why", s->why);
    status_put_text(out, "last_error", s->last_error);
    status_put_number(out, "last_error_ms", (uint64_t)s->last_error_ms);
    if (s->from_journal) {
        status_put_number(out, "cursor", s->cursor);
        status_put_number(out, "lag", s->lag);
        status_put_number(out, "deleted_undelivered", s->deleted_undelivered);
    }
    status_put_number(out, "unfinished", s->unfinished);
    status_put_number(out, "unfinished_bytes", s->unfinished_bytes);
    status_put_number(out, "received", s->received);
    status_put_number(out, "delivered", s->delivered);
    status_put_number(out, "retried", s->retried);
    status_put_number(out, "failed", s->failed);
    status_put_number(out, "retrying", s->retrying);
    status_put_number(out, "refused", s->refused);
    status_put_number(out, "dead_letters", s->dead_letters);
    status_put_number(out, "dropped", s->dropped);
    status_put_number(out, "replaced", s->replaced);
    status_put_number(out, "too_old", s->program.too_old);
    status_put_number(out, "filtered_edge", s->program.filtered_edge);
    status_put_number(out, "unchanged", s->program.unchanged);
    status_put_number(out, "superseded", s->program.superseded);
    status_put_number(out, "table_full", s->program.table_full);
    status_put_number(out, "waiting_values", s->program.waiting);
    status_put_number(out, "waiting_bytes", s->program.waiting_bytes);
    status_put_number(out, "overdue_ms", (uint64_t)s->overdue_ms);
    status_put_flag(out, "paused", s->paused);
    status_put_delays(out, s->delays);
    fr_buffer_byte(out, '}');
}

static void status_put_source(struct fr_buffer *out, struct fr_source *source)
{
    struct fr_source_status s;

    fr_source_status(source, &s);
    fr_json_string(out, s.name, strlen(s.name));
    fr_buffer_printf(out, ":{\"health\":\"%s\"", fr_health_word(s.health));
    status_put_text(out, "plugin", s.plugin);
    status_put_text(out, "why", s.why);
    status_put_number(out, "submitted", s.submitted);
    status_put_number(out, "stored", s.stored);
    status_put_number(out, "skipped", s.skipped);
    fr_buffer_byte(out, '}');
}

static void status_put_journal(struct fr_buffer *out, struct fr_journal *journal)
{
    struct fr_journal_status s;

    if (journal == NULL) {
        fr_buffer_text(out, ",\"journal\":null");
        return;
    }
    fr_journal_status(journal, &s);
    fr_buffer_printf(out, ",\"journal\":{\"health\":\"%s\"", s.stuck ? "down" : "up");
    status_put_text(out, "state", s.state);
    status_put_text(out, "why", s.why);
    status_put_number(out, "first", s.usage.first);
    status_put_number(out, "next", s.usage.next);
    status_put_number(out, "records", s.usage.next - s.usage.first);
    status_put_number(out, "oldest_ms", (uint64_t)s.usage.first_ms);
    status_put_number(out, "record_bytes", s.usage.record_bytes);
    status_put_number(out, "file_bytes", s.usage.file_bytes);
    status_put_number(out, "size", s.size);
    status_put_number(out, "waiting", s.waiting);
    status_put_number(out, "commits", s.commits);
    fr_buffer_byte(out, '}');
}

static void status_put_history(struct fr_buffer *out, struct fr_history *history)
{
    struct fr_history_status s;

    if (history == NULL) {
        fr_buffer_text(out, ",\"history\":null");
        return;
    }
    fr_history_status(history, &s);
    fr_buffer_printf(out, ",\"history\":{\"health\":\"%s\"", s.failing ? "degraded" : "up");
    status_put_text(out, "why", s.why);
    status_put_number(out, "vehicles", s.vehicles);
    status_put_number(out, "max_vehicles", s.max_vehicles);
    status_put_number(out, "bytes", s.used);
    status_put_number(out, "size", s.size);
    status_put_number(out, "lag", s.lag);
    fr_buffer_byte(out, '}');
}

/* `up`, `warning` (it expires soon) or `down` (vehicles refuse it). */
static void status_put_certificate(struct fr_buffer *out, const struct fr_daemon *d)
{
    static const char *const words[] = {[FR_CERTIFICATE_VALID] = "up",
                                        [FR_CERTIFICATE_EXPIRES_SOON] = "warning",
                                        [FR_CERTIFICATE_NOT_YET_VALID] = "down",
                                        [FR_CERTIFICATE_EXPIRED] = "down"};
    char why[FR_CERTIFICATE_AGE_SIZE];
    enum fr_certificate_age age = fr_certificate_age(d->setup->tls, fr_wall_ms() / 1000, why);

    fr_buffer_printf(out, ",\"certificate\":{\"health\":\"%s\"", words[age]);
    status_put_text(out, "why", why);
    fr_buffer_byte(out, '}');
}

static void status_put_counters(struct fr_buffer *out)
{
    fr_buffer_text(out, ",\"counters\":{");
    for (int i = 0; i < FR_COUNTER_END; i++)
        fr_buffer_printf(out, "%s\"%s\":%llu", i ? "," : "", fr_count_name((enum fr_counter)i),
                         (unsigned long long)fr_count_read((enum fr_counter)i));
    fr_buffer_byte(out, '}');
}

/* ---- keep ------------------------------------------------------------------------ */

static void status_put_keep_vehicles(struct fr_buffer *out, const struct fr_keep_health *health)
{
    fr_buffer_printf(out, ",\"vehicles\":{\"known\":%zu,\"valid\":%zu,\"waiting\":%zu",
                     health->vehicles, health->valid, health->waiting);
    fr_buffer_text(out, ",\"problems\":{");
    for (size_t i = 0; i < health->problem_words; i++) {
        const struct fr_keep_problem_count *problem = &health->problems[i];

        if (i != 0)
            fr_buffer_byte(out, ',');
        fr_json_string(out, problem->word, strlen(problem->word));
        fr_buffer_printf(out, ":%zu", problem->vehicles);
    }
    fr_buffer_text(out, "}}");
}

static void status_put_keep(struct fr_buffer *out, struct fr_daemon *d)
{
    const struct fr_tesla_config *tesla = &d->setup->server->tesla;
    struct fr_upkeep_status s;

    if (!fr_upkeep_status(d->upkeep, tesla, &s)) {
        fr_buffer_text(out, ",\"keep\":null");
        return;
    }
    fr_buffer_printf(out, ",\"keep\":{\"health\":\"%s\"", s.health.warning ? "warning" : "up");
    status_put_text(out, "why", s.health.why);
    status_put_number(out, "run_ms", (uint64_t)s.state->run_ms);
    status_put_number(out, "success_ms", (uint64_t)s.state->success_ms);
    status_put_number(out, "refresh_ms", (uint64_t)s.state->refresh_ms);
    status_put_flag(out, "login_required", s.state->login_required);
    status_put_text(out, "blocked", s.state->blocked);
    status_put_number(out, "blocked_until_ms", (uint64_t)s.state->blocked_until_ms);
    status_put_text(out, "failure", s.failure);
    status_put_number(out, "requests", s.state->requests);
    status_put_number(out, "month_signals", s.state->month_signals);
    fr_buffer_text(out, ",\"month_usd\":");
    fr_json_number(out, fr_keep_month_usd(s.state));
    fr_buffer_text(out, ",\"projected_usd\":");
    fr_json_number(out, s.state->projected_usd < 0 ? NAN : s.state->projected_usd);
    fr_buffer_text(out, ",\"budget_usd\":");
    fr_json_number(out, tesla->budget_usd);
    status_put_flag(out, "measured", s.state->measured);
    status_put_flag(out, "over_budget", s.state->over_budget);
    status_put_number(out, "oldest_push_ms", (uint64_t)s.health.oldest_push_ms);
    status_put_number(out, "first_exp_s", (uint64_t)s.health.first_exp_s);
    status_put_keep_vehicles(out, &s.health);
    fr_buffer_byte(out, '}');
}

/* The certificate that waits until vehicles have its CA. */
static void status_put_deferred(struct fr_buffer *out,
                                const struct fr_deferred_certificate *deferred)
{
    if (!deferred->present) {
        fr_buffer_text(out, ",\"deferred_certificate\":null");
        return;
    }
    fr_buffer_printf(out, ",\"deferred_certificate\":{\"since_ms\":%lld",
                     (long long)deferred->since_ms);
    status_put_number(out, "vehicles", (uint64_t)deferred->vehicles);
    status_put_number(out, "until_s", (uint64_t)deferred->until_s);
    fr_buffer_byte(out, '}');
}

/* ---- the whole ------------------------------------------------------------------- */

static void status_put_sinks(struct fr_buffer *out, const struct fr_daemon *d)
{
    fr_buffer_text(out, ",\"sinks\":{");
    for (size_t i = 0; i < d->sink_count; i++) {
        struct fr_sink_status status;

        if (i != 0)
            fr_buffer_byte(out, ',');
        fr_sink_status(d->setup->sinks[i], &status);
        status_put_sink(out, &status);
    }
    fr_buffer_byte(out, '}');
}

static void status_put_sources(struct fr_buffer *out, const struct fr_daemon *d)
{
    fr_buffer_text(out, ",\"sources\":{");
    for (size_t i = 0; i < d->setup->server->source_count; i++) {
        if (i != 0)
            fr_buffer_byte(out, ',');
        status_put_source(out, d->setup->sources[i]);
    }
    fr_buffer_byte(out, '}');
}

static void status_put_handshakes(struct fr_buffer *out, const struct fr_ingest *ingest)
{
    struct fr_handshakes_waiting waiting = {0};

    if (ingest != NULL)
        waiting = fr_ingest_handshakes_waiting(ingest);
    fr_buffer_printf(out, ",\"handshakes\":{\"waiting\":%zu", waiting.queued);
    status_put_number(out, "waiting_in_kernel", waiting.in_kernel);
    status_put_number(out, "max_in_kernel", waiting.in_kernel_max);
    status_put_number(out, "longest_wait_ms", (uint64_t)waiting.longest_ms);
    fr_buffer_byte(out, '}');
}

void fr_daemon_put_status(struct fr_daemon *d, struct fr_buffer *out)
{
    struct fr_ingest *ingest = atomic_load(&d->ingest);
    size_t connected = 0, known = 0;

    fr_buffer_printf(out, "{\"version\":\"%s\"", PACKAGE_VERSION);
    status_put_number(out, "uptime_ms", (uint64_t)(fr_monotonic_ms() - d->start_ms));
    status_put_number(out, "port", ingest != NULL ? fr_ingest_port(ingest) : 0);
    status_put_number(out, "now_ms", (uint64_t)fr_wall_ms());
    if (ingest != NULL)
        fr_presence_count(fr_ingest_presence(ingest), &connected, &known);
    status_put_number(out, "vehicles_connected", connected);
    status_put_number(out, "vehicles_known", known);
    status_put_number(out, "certificate_expires", (uint64_t)fr_tls_expiry(d->setup->tls));
    status_put_certificate(out, d);
    status_put_deferred(out, &d->deferred);
    status_put_number(out, "connections", ingest != NULL ? fr_ingest_connections(ingest) : 0);
    status_put_number(out, "half_open", ingest != NULL ? fr_ingest_half_open(ingest) : 0);
    status_put_handshakes(out, ingest);
    status_put_number(out, "without_certificate",
                      ingest != NULL ? fr_ingest_without_certificate(ingest) : 0);
    if (d->setup->public_key != NULL)
        status_put_text(out, "public_key_sha256", d->setup->public_key->sha256);
    else
        fr_buffer_text(out, ",\"public_key_sha256\":null");
    status_put_number(out, "resident_kb", (uint64_t)fr_resident_kb());
    status_put_number(out, "cpu_us", (uint64_t)fr_cpu_us());
    status_put_counters(out);
    status_put_journal(out, d->journal);
    status_put_history(out, d->history);
    status_put_sinks(out, d);
    status_put_sources(out, d);
    status_put_keep(out, d);
    fr_buffer_byte(out, '}');
}
