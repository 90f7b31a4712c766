/*
 * What the daemon says of itself to Prometheus, in its text format 0.0.4.
 *
 * The names of the reference server are kept where they mean the same (fleetroute-metrics(7) has
 * the table); ours begin with fleetroute_.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "daemon_state.h"
#include "record/record.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/process.h"

static void head(struct fr_buffer *out, const char *name, const char *type, const char *help)
{
    fr_buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void number(struct fr_buffer *out, const char *name, const char *type, const char *help,
                   double value)
{
    head(out, name, type, help);
    fr_buffer_printf(out, "%s %.15g\n", name, value);
}

/* A label's value: backslash, quote and line feed are escaped. */
static void put_label(struct fr_buffer *out, const char *name, const char *value)
{
    fr_buffer_printf(out, "%s=\"", name);
    for (; *value != '\0'; value++) {
        if (*value == '\\' || *value == '"')
            fr_buffer_byte(out, '\\');
        if (*value == '\n')
            fr_buffer_text(out, "\\n");
        else
            fr_buffer_byte(out, (uint8_t)*value);
    }
    fr_buffer_byte(out, '"');
}

/* ---- counters -------------------------------------------------------------------- */

/* "connections_over_limit" is "Connections over limit." */
static void put_counter(struct fr_buffer *out, enum fr_counter counter)
{
    char name[96], help[96];

    snprintf(name, sizeof name, "fleetroute_%s_total", fr_count_name(counter));
    snprintf(help, sizeof help, "%s.", fr_count_name(counter));
    help[0] = (char)toupper((unsigned char)help[0]);
    for (char *p = help; *p != '\0'; p++)
        if (*p == '_')
            *p = ' ';
    number(out, name, "counter", help, (double)fr_count_read(counter));
}

static void put_by_type(struct fr_buffer *out, const char *name, const char *help,
                        enum fr_counter first)
{
    head(out, name, "counter", help);
    for (int t = 0; t < FR_RECORD_TYPES; t++)
        fr_buffer_printf(out, "%s{record_type=\"%s\"} %llu\n", name,
                         t == FR_RECORD_OTHER ? "other"
                                              : fr_record_type_name((enum fr_record_type)t),
                         (unsigned long long)fr_count_read((enum fr_counter)((int)first + t)));
}

static void put_counters(struct fr_buffer *out)
{
    for (int i = 0; i < FR_COUNTER_END; i++)
        if (i < FR_COUNT_RECORDS_V || i > FR_COUNT_BYTES_OTHER)
            put_counter(out, (enum fr_counter)i);
    put_by_type(out, "record_total", "Records taken from vehicles.", FR_COUNT_RECORDS_V);
    put_by_type(out, "record_size_bytes_total", "Bytes of their payloads.", FR_COUNT_BYTES_V);
    number(out, "record_too_big_total", "counter", "Messages over limits.message_size.",
           (double)fr_count_read(FR_COUNT_MESSAGE_TOO_BIG));
    number(out, "unknown_message_type_error_total", "counter", "Envelopes of another kind.",
           (double)fr_count_read(FR_COUNT_ENVELOPE_UNKNOWN));
    number(out, "unexpected_record_err_total", "counter", "Error replies to vehicles.",
           (double)fr_count_read(FR_COUNT_ERROR_REPLIES));
}

/* ---- the process ----------------------------------------------------------------- */

static void put_process(struct fr_daemon *d, struct fr_buffer *out)
{
    struct rlimit files = {0};
    double up = (double)(fr_monotonic_ms() - d->since_ms) / 1000;

    head(out, "fleetroute_build_info", "gauge", "The version that runs, as a label.");
    fr_buffer_text(out, "fleetroute_build_info{version=\"" PACKAGE_VERSION "\"} 1\n");
    getrlimit(RLIMIT_NOFILE, &files);
    number(out, "uptime_sec", "gauge", "Seconds since the start.", up);
    number(out, "process_start_time_seconds", "gauge", "When it started, in seconds since 1970.",
           (double)fr_wall_ms() / 1000 - up);
    number(out, "process_cpu_seconds_total", "counter", "CPU time used.",
           (double)fr_cpu_us() / 1e6);
    number(out, "process_resident_memory_bytes", "gauge", "Memory in use.",
           (double)fr_resident_kb() * 1024);
    number(out, "process_open_fds", "gauge", "Open file descriptors.", (double)fr_open_files());
    number(out, "process_max_fds", "gauge", "Most that may be open.", (double)files.rlim_cur);
}

static void put_vehicles(struct fr_daemon *d, struct fr_buffer *out)
{
    struct fr_ingest *ingest = atomic_load(&d->ingest);
    size_t here = 0, known = 0;

    if (ingest != NULL)
        fr_presence_count(fr_ingest_presence(ingest), &here, &known);
    number(out, "num_connections", "gauge", "Open connections of vehicles.",
           ingest != NULL ? (double)fr_ingest_connections(ingest) : 0);
    number(out, "fleetroute_half_open_connections", "gauge",
           "Connections in their handshake or upgrade, or closing.",
           ingest != NULL ? (double)fr_ingest_half_open(ingest) : 0);
    number(out, "fleetroute_vehicles_here", "gauge",
           "Vehicles that are connected, or were within presence_grace.", (double)here);
    number(out, "fleetroute_vehicles_known", "gauge", "The same and those that are gone.",
           (double)known);
    number(out, "fleetroute_certificate_expiry_timestamp_seconds", "gauge",
           "When the server's certificate expires, in seconds since 1970.",
           (double)fr_tls_expiry(d->setup->tls));
}

static void put_journal(struct fr_daemon *d, struct fr_buffer *out)
{
    struct fr_journal_status s;

    if (d->journal == NULL)
        return;
    fr_journal_status(d->journal, &s);
    number(out, "fleetroute_journal_up", "gauge", "1: records can be written.", s.stuck ? 0 : 1);
    number(out, "fleetroute_journal_records", "gauge", "Records kept.",
           (double)(s.usage.next - s.usage.first));
    number(out, "fleetroute_journal_bytes", "gauge", "Bytes they take up.",
           (double)s.usage.record_bytes);
    number(out, "fleetroute_journal_size_bytes", "gauge", "Most that they may (journal.size).",
           (double)s.size);
    number(out, "fleetroute_journal_file_bytes", "gauge", "Bytes of the file on disk.",
           (double)s.usage.file_bytes);
    number(out, "fleetroute_journal_oldest_timestamp_seconds", "gauge",
           "When the oldest record came, in seconds since 1970; 0: there is none.",
           (double)s.usage.first_ms / 1000);
    number(out, "fleetroute_journal_waiting_records", "gauge", "Records not yet on disk.",
           (double)s.waiting);
    number(out, "fleetroute_journal_commits_total", "counter", "Groups written to disk.",
           (double)s.commits);
}

/* ---- sinks ----------------------------------------------------------------------- */

struct sink_metric {
    const char *name, *type, *help;
    double (*read)(const struct fr_sink_status *s);
};

#define READ(what, expression)                                                                     \
    static double read_##what(const struct fr_sink_status *s)                                      \
    {                                                                                              \
        return (double)(expression);                                                               \
    }
READ(up, s->health == FR_HEALTH_UP)
READ(health, s->health)
READ(behind, s->from_journal ? s->behind : s->unfinished)
READ(unfinished, s->unfinished)
READ(unfinished_bytes, s->unfinished_bytes)
READ(taken, s->taken)
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
READ(not_edges, s->program.not_edges)
READ(unchanged, s->program.unchanged)
READ(superseded, s->program.superseded)
READ(untracked, s->program.untracked)
READ(waiting, s->program.waiting)
READ(waiting_bytes, s->program.waiting_bytes)
READ(overdue, (double)s->overdue_ms / 1000)
#undef READ

static const struct sink_metric sink_metrics[] = {
    {"fleetroute_sink_up", "gauge", "1: it is well; 0: degraded or down.", read_up},
    {"fleetroute_sink_health", "gauge", "0: up; 1: degraded; 2: down.", read_health},
    {"fleetroute_sink_behind_records", "gauge", "Records it has yet to deliver.", read_behind},
    {"fleetroute_sink_unfinished_records", "gauge", "Records it has in memory.", read_unfinished},
    {"fleetroute_sink_unfinished_bytes", "gauge", "Bytes of those.", read_unfinished_bytes},
    {"fleetroute_sink_taken_total", "counter", "Records taken.", read_taken},
    {"fleetroute_sink_delivered_total", "counter", "Deliveries done.", read_delivered},
    {"fleetroute_sink_retried_total", "counter", "Deliveries tried again.", read_retried},
    {"fleetroute_sink_failed_total", "counter", "Answers that a delivery failed.", read_failed},
    {"fleetroute_sink_retrying", "gauge",
     "Vehicles and record types with failed deliveries that wait for another try.", read_retrying},
    {"fleetroute_sink_refused_total", "counter", "Answers that a delivery never succeeds.",
     read_refused},
    {"fleetroute_sink_dead_letters_total", "counter", "Deliveries set aside for good.",
     read_dead_letters},
    {"fleetroute_sink_dropped_total", "counter", "Records dropped at a full queue.", read_dropped},
    {"fleetroute_sink_deleted_undelivered_total", "counter",
     "Records that the journal deleted before they were delivered; restarts keep the number.",
     read_deleted_undelivered},
    {"fleetroute_sink_replaced_total", "counter", "Values that a newer one took the place of.",
     read_replaced},
    {"fleetroute_sink_too_old_total", "counter", "Values over a route's max_age.", read_too_old},
    {"fleetroute_sink_not_edges_total", "counter", "Values left out by edge_only.", read_not_edges},
    {"fleetroute_sink_unchanged_total", "counter", "Values left out as unchanged.", read_unchanged},
    {"fleetroute_sink_superseded_total", "counter", "Values that came after a newer one.",
     read_superseded},
    {"fleetroute_sink_untracked_total", "counter",
     "Values without state for windows and thresholds, because a bound is reached.",
     read_untracked},
    {"fleetroute_sink_waiting_values", "gauge", "Values that wait for the end of their windows.",
     read_waiting},
    {"fleetroute_sink_waiting_bytes", "gauge", "Bytes of memory that those take up.",
     read_waiting_bytes},
    {"fleetroute_sink_overdue_seconds", "gauge",
     "Age of the oldest delivery that is due and not done.", read_overdue},
};

static void put_delays(struct fr_buffer *out, const struct fr_sink_status *s)
{
    static const int bounds[FR_DELAY_CLASSES - 1] = FR_DELAY_BOUNDS;
    unsigned long long sum = 0;

    for (int i = 0; i < FR_DELAY_CLASSES; i++) {
        sum += s->delays[i];
        fr_buffer_text(out, "fleetroute_sink_delay_seconds_bucket{");
        put_label(out, "sink", s->name);
        if (i < FR_DELAY_CLASSES - 1)
            fr_buffer_printf(out, ",le=\"%g\"} %llu\n", bounds[i] / 1000.0, sum);
        else
            fr_buffer_printf(out, ",le=\"+Inf\"} %llu\n", sum);
    }
    fr_buffer_text(out, "fleetroute_sink_delay_seconds_sum{");
    put_label(out, "sink", s->name);
    fr_buffer_printf(out, "} %.15g\nfleetroute_sink_delay_seconds_count{",
                     (double)s->delay_sum_ms / 1000);
    put_label(out, "sink", s->name);
    fr_buffer_printf(out, "} %llu\n", sum);
}

static void put_sinks(struct fr_daemon *d, struct fr_buffer *out)
{
    struct fr_sink_status all[FR_SINKS_MAX];

    for (size_t i = 0; i < d->started; i++)
        fr_sink_status(d->setup->sinks[i], &all[i]);
    for (size_t m = 0; m < sizeof sink_metrics / sizeof *sink_metrics; m++) {
        head(out, sink_metrics[m].name, sink_metrics[m].type, sink_metrics[m].help);
        for (size_t i = 0; i < d->started; i++) {
            fr_buffer_printf(out, "%s{", sink_metrics[m].name);
            put_label(out, "sink", all[i].name);
            fr_buffer_byte(out, ',');
            put_label(out, "plugin", all[i].plugin);
            fr_buffer_printf(out, "} %.15g\n", sink_metrics[m].read(&all[i]));
        }
    }
    head(out, "fleetroute_sink_delay_seconds", "histogram",
         "From the time that a delivery was due (receipt, or the end of its window).");
    for (size_t i = 0; i < d->started; i++)
        put_delays(out, &all[i]);
}

/* ---- sources --------------------------------------------------------------------- */

static void put_sources(struct fr_daemon *d, struct fr_buffer *out)
{
    static const struct {
        const char *name, *type, *help;
    } metrics[] = {
        {"fleetroute_source_up", "gauge", "1: it is well; 0: degraded or down."},
        {"fleetroute_source_submitted_total", "counter", "Messages it handed in."},
        {"fleetroute_source_stored_total", "counter", "Records of it in the journal."},
        {"fleetroute_source_left_out_total", "counter", "Messages of it that were left out."},
    };

    for (size_t m = 0; m < sizeof metrics / sizeof *metrics; m++) {
        head(out, metrics[m].name, metrics[m].type, metrics[m].help);
        for (size_t i = 0; i < d->setup->server->source_count; i++) {
            struct fr_source_status s;

            fr_source_status(d->setup->sources[i], &s);
            fr_buffer_printf(out, "%s{", metrics[m].name);
            put_label(out, "source", s.name);
            fr_buffer_byte(out, ',');
            put_label(out, "plugin", s.plugin);
            fr_buffer_printf(out, "} %llu\n",
                             (unsigned long long)(m == 0   ? s.health == FR_HEALTH_UP
                                                  : m == 1 ? s.submitted
                                                  : m == 2 ? s.stored
                                                           : s.left_out));
        }
    }
}

void fr_daemon_metrics(struct fr_daemon *d, struct fr_buffer *out)
{
    put_counters(out);
    put_process(d, out);
    put_vehicles(d, out);
    put_journal(d, out);
    put_sinks(d, out);
    put_sources(d, out);
}
