#include "daemon/prometheus.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "daemon/prometheus_keep.h"
#include "daemon/prometheus_text.h"
#include "ingest/ingest.h"
#include "ingest/presence_status.h"
#include "ingest/tls.h"
#include "record/record.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/process.h"

/* ---- counters -------------------------------------------------------------------- */

/* The help text is derived from the name: "connections_over_limit" becomes "Connections over
 * limit." */
static void prometheus_put_counter(struct fr_buffer *out, enum fr_counter counter)
{
    char name[96], help[96];

    snprintf(name, sizeof name, "fleetroute_%s_total", fr_count_name(counter));
    snprintf(help, sizeof help, "%s.", fr_count_name(counter));
    help[0] = (char)toupper((unsigned char)help[0]);
    for (char *p = help; *p != '\0'; p++)
        if (*p == '_')
            *p = ' ';
    fr_prometheus_number(out, name, "counter", help, (double)fr_count_read(counter));
}

static void prometheus_put_by_type(struct fr_buffer *out, const char *name, const char *help,
                                   enum fr_counter first)
{
    fr_prometheus_head(out, name, "counter", help);
    for (int t = 0; t < FR_RECORD_TYPES; t++)
        fr_buffer_printf(out, "%s{record_type=\"%s\"} %llu\n", name,
                         t == FR_RECORD_OTHER ? "other"
                                              : fr_record_type_name((enum fr_record_type)t),
                         (unsigned long long)fr_count_read((enum fr_counter)((int)first + t)));
}

/* The label is the number of the type. Tesla's server writes the byte itself; Prometheus rejects a
 * page with the byte 0. */
static void prometheus_put_unknown(struct fr_buffer *out)
{
    static const char name[] = "unknown_message_type_error_total";

    fr_prometheus_head(out, name, "counter",
                       "Envelopes without a stream message, by message type.");
    for (unsigned type = 0; type <= UINT8_MAX; type++) {
        uint64_t count = fr_ingest_unknown_messages((uint8_t)type);

        if (count != 0)
            fr_buffer_printf(out, "%s{msg_type=\"%u\"} %llu\n", name, type,
                             (unsigned long long)count);
    }
}

static void prometheus_put_counters(struct fr_buffer *out)
{
    for (int i = 0; i < FR_COUNTER_END; i++)
        if (i < FR_COUNT_RECORDS_V || i > FR_COUNT_BYTES_OTHER)
            prometheus_put_counter(out, (enum fr_counter)i);
    prometheus_put_by_type(out, "record_total", "Records received from vehicles.",
                           FR_COUNT_RECORDS_V);
    prometheus_put_by_type(out, "record_size_bytes_total",
                           "Payload bytes of the records received from vehicles.",
                           FR_COUNT_BYTES_V);
    prometheus_put_by_type(out, "dispatch_total", "Records handed to the routes.",
                           FR_COUNT_RECORDS_V);
    fr_prometheus_number(out, "socket_err_total", "counter",
                         "Failed writes to sockets of vehicles.",
                         (double)fr_count_read(FR_COUNT_WRITE_ERRORS));
    fr_prometheus_number(out, "record_too_big_total", "counter",
                         "Messages larger than limits.message_size.",
                         (double)fr_count_read(FR_COUNT_MESSAGE_TOO_BIG));
    prometheus_put_unknown(out);
    fr_prometheus_number(out, "unexpected_record_err_total", "counter",
                         "Error replies to vehicles.",
                         (double)fr_count_read(FR_COUNT_ERROR_REPLIES));
}

/* ---- the process ----------------------------------------------------------------- */

static void prometheus_put_process(struct fr_daemon *d, struct fr_buffer *out)
{
    struct rlimit files = {0};
    double up = (double)(fr_monotonic_ms() - d->start_ms) / 1000;

    fr_prometheus_head(out, "fleetroute_build_info", "gauge",
                       "Always 1; the label is the version of fleetrouted.");
    fr_buffer_text(out, "fleetroute_build_info{version=\"" PACKAGE_VERSION "\"} 1\n");
    getrlimit(RLIMIT_NOFILE, &files);
    fr_prometheus_number(out, "uptime_sec", "gauge", "Seconds since fleetrouted started.", up);
    fr_prometheus_number(out, "process_start_time_seconds", "gauge",
                         "Start time of fleetrouted, in seconds since 1970.",
                         (double)fr_wall_ms() / 1000 - up);
    fr_prometheus_number(out, "process_cpu_seconds_total", "counter", "CPU time used, in seconds.",
                         (double)fr_cpu_us() / 1e6);
    fr_prometheus_number(out, "process_resident_memory_bytes", "gauge",
                         "Resident memory, in bytes.", (double)fr_resident_kb() * 1024);
    fr_prometheus_number(out, "process_open_fds", "gauge", "Open file descriptors.",
                         (double)fr_open_files());
    fr_prometheus_number(out, "process_max_fds", "gauge",
                         "Maximum number of open file descriptors.", (double)files.rlim_cur);
}

static void prometheus_put_vehicles(struct fr_daemon *d, struct fr_buffer *out)
{
    struct fr_ingest *ingest = atomic_load(&d->ingest);
    struct fr_handshakes_waiting waiting = {0};
    size_t connected = 0, known = 0;

    if (ingest != NULL)
        fr_presence_count(fr_ingest_presence(ingest), &connected, &known);
    fr_prometheus_number(out, "num_connections", "gauge", "Open vehicle connections.",
                         ingest != NULL ? (double)fr_ingest_connections(ingest) : 0);
    fr_prometheus_number(out, "fleetroute_half_open_connections", "gauge",
                         "Connections in the TLS handshake, in the WebSocket upgrade, or closing.",
                         ingest != NULL ? (double)fr_ingest_half_open(ingest) : 0);
    if (ingest != NULL)
        waiting = fr_ingest_handshakes_waiting(ingest);
    fr_prometheus_number(out, "fleetroute_handshakes_waiting", "gauge",
                         "Accepted connections whose TLS handshake waits for CPU time.",
                         (double)waiting.queued);
    fr_prometheus_number(out, "fleetroute_connections_waiting_in_kernel", "gauge",
                         "Connections that wait to be accepted.", (double)waiting.in_kernel);
    fr_prometheus_number(out, "fleetroute_handshake_longest_wait_seconds", "gauge",
                         "The longest wait of a TLS handshake within the last half second.",
                         (double)waiting.longest_ms / 1000);
    fr_prometheus_number(out, "fleetroute_without_certificate_connections", "gauge",
                         "Connections of clients without a certificate, after the TLS handshake.",
                         ingest != NULL ? (double)fr_ingest_without_certificate(ingest) : 0);
    fr_prometheus_number(out, "fleetroute_admin_streams", "gauge",
                         "Open streams of records of the admin listener.",
                         d->admin != NULL ? (double)fr_http_admin_streams(d->admin) : 0);
    fr_prometheus_number(out, "fleetroute_vehicles_connected", "gauge",
                         "Vehicles that are connected or were connected within presence_grace.",
                         (double)connected);
    fr_prometheus_number(out, "fleetroute_vehicles_known", "gauge",
                         "Connected and expired vehicles that fleetrouted remembers.",
                         (double)known);
    fr_prometheus_number(out, "fleetroute_certificate_expiry_timestamp_seconds", "gauge",
                         "Expiry time of the server certificate, in seconds since 1970.",
                         (double)fr_tls_expiry(d->setup->tls));
    fr_prometheus_number(out, "fleetroute_certificate_deferred_vehicles", "gauge",
                         "Vehicles that would reject the renewed certificate, so that the former "
                         "one is served; 0: none waits.",
                         d->deferred.present ? (double)d->deferred.vehicles : 0);
}

static void prometheus_put_journal(struct fr_daemon *d, struct fr_buffer *out)
{
    struct fr_journal_status s;

    if (d->journal == NULL)
        return;
    fr_journal_status(d->journal, &s);
    fr_prometheus_number(out, "fleetroute_journal_up", "gauge",
                         "1: records can be written; 0: they cannot.", s.stuck ? 0 : 1);
    fr_prometheus_number(out, "fleetroute_journal_records", "gauge", "Records in the journal.",
                         (double)(s.usage.next - s.usage.first));
    fr_prometheus_number(out, "fleetroute_journal_bytes", "gauge",
                         "Bytes that the records in the journal occupy.",
                         (double)s.usage.record_bytes);
    fr_prometheus_number(out, "fleetroute_journal_size_bytes", "gauge",
                         "Maximum of fleetroute_journal_bytes (journal.size).", (double)s.size);
    fr_prometheus_number(out, "fleetroute_journal_file_bytes", "gauge",
                         "Size of the journal's file on disk, in bytes.",
                         (double)s.usage.file_bytes);
    fr_prometheus_number(
        out, "fleetroute_journal_oldest_timestamp_seconds", "gauge",
        "Time of receipt of the oldest record, in seconds since 1970; 0: the journal is empty.",
        (double)s.usage.first_ms / 1000);
    fr_prometheus_number(out, "fleetroute_journal_waiting_records", "gauge",
                         "Records that wait to be written to disk.", (double)s.waiting);
    fr_prometheus_number(out, "fleetroute_journal_commits_total", "counter", "Commits to disk.",
                         (double)s.commits);
}

static void prometheus_put_history(struct fr_daemon *d, struct fr_buffer *out)
{
    struct fr_history_status s;

    if (d->history == NULL)
        return;
    fr_history_status(d->history, &s);
    fr_prometheus_number(out, "fleetroute_history_up", "gauge",
                         "1: the history can be written; 0: it cannot.", s.failing ? 0 : 1);
    fr_prometheus_number(out, "fleetroute_history_vehicles", "gauge",
                         "Vehicles that have a history.", (double)s.vehicles);
    fr_prometheus_number(out, "fleetroute_history_bytes", "gauge", "Bytes of the history on disk.",
                         (double)s.used);
    fr_prometheus_number(out, "fleetroute_history_size_bytes", "gauge",
                         "Maximum of fleetroute_history_bytes (history.size).", (double)s.size);
    fr_prometheus_number(out, "fleetroute_history_lag_records", "gauge",
                         "Records that the history has not written yet.", (double)s.lag);
}

/* ---- sinks ----------------------------------------------------------------------- */

struct sink_metric {
    const char *name, *type, *help;
    double (*read)(const struct fr_sink_status *s);
};

#define READ(metric, expression)                                                                   \
    static double sink_metric_##metric(const struct fr_sink_status *s)                             \
    {                                                                                              \
        return (double)(expression);                                                               \
    }
READ(up, s->health == FR_HEALTH_UP)
READ(health, s->health)
READ(lag, s->from_journal ? s->lag : s->unfinished)
READ(unfinished, s->unfinished)
READ(unfinished_bytes, s->unfinished_bytes)
READ(received, s->received)
READ(delivered, s->delivered)
READ(retried, s->retried)
READ(failed, s->failed)
READ(retrying, s->retrying)
READ(refused, s->refused)
READ(dead_letters, s->dead_letters)
READ(dropped, s->dropped)
READ(deleted_undelivered, s->deleted_undelivered)
READ(replaced, s->replaced)
READ(too_old, s->program.too_old)
READ(filtered_edge, s->program.filtered_edge)
READ(unchanged, s->program.unchanged)
READ(superseded, s->program.superseded)
READ(table_full, s->program.table_full)
READ(waiting, s->program.waiting)
READ(waiting_bytes, s->program.waiting_bytes)
READ(overdue, (double)s->overdue_ms / 1000)
#undef READ

static const struct sink_metric sink_metrics[] = {
    {"fleetroute_sink_up", "gauge", "1: up; 0: degraded or down.", sink_metric_up},
    {"fleetroute_sink_health", "gauge", "0: up; 1: degraded; 2: down.", sink_metric_health},
    {"fleetroute_sink_lag_records", "gauge", "Records that the sink has not delivered yet.",
     sink_metric_lag},
    {"fleetroute_sink_unfinished_records", "gauge",
     "Undelivered records in the memory of the sink.", sink_metric_unfinished},
    {"fleetroute_sink_unfinished_bytes", "gauge", "Bytes of the undelivered records in memory.",
     sink_metric_unfinished_bytes},
    {"fleetroute_sink_received_total", "counter", "Records received from the journal or the queue.",
     sink_metric_received},
    {"fleetroute_sink_delivered_total", "counter", "Successful deliveries.", sink_metric_delivered},
    {"fleetroute_sink_retried_total", "counter",
     "Deliveries repeated because the peer was not available.", sink_metric_retried},
    {"fleetroute_sink_failed_total", "counter", "Failed delivery attempts that are retried.",
     sink_metric_failed},
    {"fleetroute_sink_retrying", "gauge",
     "Pairs of vehicle and record type whose failed deliveries wait for a retry.",
     sink_metric_retrying},
    {"fleetroute_sink_refused_total", "counter", "Deliveries that the plugin refused for good.",
     sink_metric_refused},
    {"fleetroute_sink_dead_letters_total", "counter", "Deliveries that were dead-lettered.",
     sink_metric_dead_letters},
    {"fleetroute_sink_dropped_total", "counter", "Records dropped because the queue was full.",
     sink_metric_dropped},
    {"fleetroute_sink_deleted_undelivered_total", "counter",
     "Records that the journal deleted before their delivery; kept over restarts.",
     sink_metric_deleted_undelivered},
    {"fleetroute_sink_replaced_total", "counter", "Undelivered values that a newer value replaced.",
     sink_metric_replaced},
    {"fleetroute_sink_too_old_total", "counter", "Values older than max_age of the route.",
     sink_metric_too_old},
    {"fleetroute_sink_filtered_edge_total", "counter", "Values skipped because of edge_only.",
     sink_metric_filtered_edge},
    {"fleetroute_sink_unchanged_total", "counter", "Values skipped because they were unchanged.",
     sink_metric_unchanged},
    {"fleetroute_sink_superseded_total", "counter",
     "Values skipped because a newer one had been processed.", sink_metric_superseded},
    {"fleetroute_sink_table_full_total", "counter",
     "Values processed without window or threshold state because the state table was full.",
     sink_metric_table_full},
    {"fleetroute_sink_waiting_values", "gauge", "Values that wait for the end of a window.",
     sink_metric_waiting},
    {"fleetroute_sink_waiting_bytes", "gauge", "Memory used by the values that wait, in bytes.",
     sink_metric_waiting_bytes},
    {"fleetroute_sink_overdue_seconds", "gauge",
     "Time since the oldest undelivered record or value was due, in seconds.", sink_metric_overdue},
};

static void prometheus_put_delays(struct fr_buffer *out, const struct fr_sink_status *s)
{
    static const int bounds[FR_DELAY_CLASSES - 1] = FR_DELAY_BOUNDS;
    unsigned long long sum = 0;

    for (int i = 0; i < FR_DELAY_CLASSES; i++) {
        sum += s->delays[i];
        fr_buffer_text(out, "fleetroute_sink_delay_seconds_bucket{");
        fr_prometheus_label(out, "sink", s->name);
        if (i < FR_DELAY_CLASSES - 1)
            fr_buffer_printf(out, ",le=\"%g\"} %llu\n", bounds[i] / 1000.0, sum);
        else
            fr_buffer_printf(out, ",le=\"+Inf\"} %llu\n", sum);
    }
    fr_buffer_text(out, "fleetroute_sink_delay_seconds_sum{");
    fr_prometheus_label(out, "sink", s->name);
    fr_buffer_printf(out, "} %.15g\nfleetroute_sink_delay_seconds_count{",
                     (double)s->delay_sum_ms / 1000);
    fr_prometheus_label(out, "sink", s->name);
    fr_buffer_printf(out, "} %llu\n", sum);
}

static void prometheus_put_sinks(struct fr_daemon *d, struct fr_buffer *out)
{
    struct fr_sink_status all[FR_SINKS_MAX];

    for (size_t i = 0; i < d->sink_count; i++)
        fr_sink_status(d->setup->sinks[i], &all[i]);
    for (size_t m = 0; m < sizeof sink_metrics / sizeof *sink_metrics; m++) {
        fr_prometheus_head(out, sink_metrics[m].name, sink_metrics[m].type, sink_metrics[m].help);
        for (size_t i = 0; i < d->sink_count; i++) {
            fr_buffer_printf(out, "%s{", sink_metrics[m].name);
            fr_prometheus_label(out, "sink", all[i].name);
            fr_buffer_byte(out, ',');
            fr_prometheus_label(out, "plugin", all[i].plugin);
            fr_buffer_printf(out, "} %.15g\n", sink_metrics[m].read(&all[i]));
        }
    }
    fr_prometheus_head(
        out, "fleetroute_sink_delay_seconds", "histogram",
        "Delay from the time a delivery was due (receipt, or end of the window) to its "
        "delivery, in seconds.");
    for (size_t i = 0; i < d->sink_count; i++)
        prometheus_put_delays(out, &all[i]);
}

/* ---- sources --------------------------------------------------------------------- */

struct source_metric {
    const char *name, *type, *help;
    uint64_t (*read)(const struct fr_source_status *s);
};

static uint64_t source_metric_up(const struct fr_source_status *s)
{
    return s->health == FR_HEALTH_UP;
}

static uint64_t source_metric_submitted(const struct fr_source_status *s)
{
    return s->submitted;
}

static uint64_t source_metric_stored(const struct fr_source_status *s)
{
    return s->stored;
}

static uint64_t source_metric_skipped(const struct fr_source_status *s)
{
    return s->skipped;
}

static const struct source_metric source_metrics[] = {
    {"fleetroute_source_up", "gauge", "1: up; 0: degraded or down.", source_metric_up},
    {"fleetroute_source_submitted_total", "counter", "Messages that the source submitted.",
     source_metric_submitted},
    {"fleetroute_source_stored_total", "counter", "Records of the source stored in the journal.",
     source_metric_stored},
    {"fleetroute_source_skipped_total", "counter", "Messages of the source that were skipped.",
     source_metric_skipped},
};

static void prometheus_put_sources(struct fr_daemon *d, struct fr_buffer *out)
{
    for (size_t m = 0; m < sizeof source_metrics / sizeof *source_metrics; m++) {
        const struct source_metric *metric = &source_metrics[m];

        fr_prometheus_head(out, metric->name, metric->type, metric->help);
        for (size_t i = 0; i < d->setup->server->source_count; i++) {
            struct fr_source_status s;

            fr_source_status(d->setup->sources[i], &s);
            fr_buffer_printf(out, "%s{", metric->name);
            fr_prometheus_label(out, "source", s.name);
            fr_buffer_byte(out, ',');
            fr_prometheus_label(out, "plugin", s.plugin);
            fr_buffer_printf(out, "} %llu\n", (unsigned long long)metric->read(&s));
        }
    }
}

void fr_daemon_put_metrics(struct fr_daemon *d, struct fr_buffer *out)
{
    prometheus_put_counters(out);
    prometheus_put_process(d, out);
    prometheus_put_vehicles(d, out);
    prometheus_put_journal(d, out);
    prometheus_put_history(d, out);
    prometheus_put_sinks(d, out);
    prometheus_put_sources(d, out);
    fr_prometheus_put_keep(d->upkeep, &d->setup->server->tesla, out);
}
