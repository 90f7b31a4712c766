#include "load_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "measure.h"
#include "report.h"
#include "servers.h"
#include "sim/load.h"
#include "util/clock.h"

#define FLEET_MS 30000 /* longer than `values_every`, after which last values are written */
#define SHORT_MS 10000
#define DELIVERED_MAX_MS 120000
#define SETTLE_US 1000000 /* from the last handshake to the measured interval */
#define SOURCES 250       /* addresses of the vehicles */

static const char to_no_sink[] = "records: [{type: alerts, to: archive}]\n";
static const char to_file[] = "records: [{type: V, to: archive}]\n";
static const char to_kafka[] = "records: [{type: V, to: kafka}]\n";
static const char to_both[] = "records: [{type: V, to: archive}, {type: V, to: kafka}]\n";
static const char file_ack[] = "records: [{type: V, to: archive, ack: archive}]\n";
static const char kafka_ack[] = "records: [{type: V, to: kafka, ack: kafka}]\n";

static const char journal_only[] = "{values: false, size: 8 GB}";
static const char journal_and_values[] = "{size: 8 GB}";

struct load {
    const char *group;
    const char *label;
    size_t vehicles;
    double rate; /* 0: saturating */
    size_t window;
    int64_t ms;
};

/* CPU time is measured from when all vehicles are connected, and what their connections have caused
 * is delivered, to the delivery of the last record. */
struct window {
    struct server server;
    double cpu_at_start;
    long max_kb;
};

static void window_begin(void *ctx)
{
    struct window *w = ctx;

    measure_wait_delivered(w->server, DELIVERED_MAX_MS);
    usleep(SETTLE_US);
    w->cpu_at_start = measure_cpu_seconds(w->server.pid);
}

static void window_sample(void *ctx)
{
    struct window *w = ctx;
    long kb = measure_resident_kb(w->server.pid);

    if (kb > w->max_kb)
        w->max_kb = kb;
}

/* Of a car that drives two hours a day and sends a message a second while driving, and a message a
 * minute otherwise. */
#define WEEK_OF_RECORDS (7 * (2 * 3600 + 22 * 60))

static void load_print_journal_size(struct server server, uint64_t records)
{
    char *path = server_path(server, "state/journal/data.mdb");
    struct stat st;
    double each;

    if (!server.is_floor && stat(path, &st) == 0 && records != 0) {
        each = (double)st.st_blocks * 512 / (double)records;
        printf("%-42s %.0f bytes on disk a record; a week of one car (%d records): %.1f MB\n", "",
               each, WEEK_OF_RECORDS, each * WEEK_OF_RECORDS / 1e6);
    }
    free(path);
}

/* Send the load, and fill in what was measured. The vehicles stay connected until the CPU time is
 * read: the end of a connection makes records, too. */
static void load_measure(struct fr_load *generator, const struct load *load, struct window *w,
                         struct report_row *row)
{
    const struct fr_load_phase phase = {load->rate, load->ms, 20000};
    int64_t end_ms;

    fr_load_send(generator, &phase, &row->result);
    end_ms = fr_monotonic_ms();
    row->delivered = measure_wait_delivered(w->server, DELIVERED_MAX_MS);
    row->cpu_s = measure_cpu_seconds(w->server.pid) - w->cpu_at_start;
    row->drain_s = (double)(fr_monotonic_ms() - end_ms) / 1000;
    row->max_mb = (double)w->max_kb / 1024;
}

/* Run a load, print its row, and stop the server. `floor`: acknowledged per CPU-second of the row
 * to compare with; 0: none. Returns that of this row; 0: it failed. */
static double load_run_row(const struct load *load, const char *name, struct server server,
                           double floor)
{
    struct window w = {.server = server};
    struct fr_load_settings settings = {
        .host = "127.0.0.1",
        .port = server.port,
        .vehicles = load->vehicles,
        .window = load->window,
        .data = 8,
        .connect_ms = 120000,
        .sources = SOURCES,
        .from_due = true,
        .connected = window_begin,
        .second = window_sample,
        .ctx = &w,
    };
    struct report_row row = {
        .group = load->group, .load = load->label, .name = name, .from_due = load->rate > 0};
    struct fr_error error;
    struct fr_load *generator = fr_load_new(&settings, bench.pki, &error);
    double per_cpu = 0;

    if (generator == NULL || fr_load_connect(generator, &error) != 0)
        printf("%s: %s: %s\n", load->label, name, error.text);
    else {
        load_measure(generator, load, &w, &row);
        per_cpu = row.cpu_s > 0 ? (double)row.result.acknowledged / row.cpu_s : 0;
        row.of_floor = floor > 0 ? per_cpu / floor : 0;
        report_row(&row);
    }
    fr_load_free(generator);
    server_stop(server);
    if (!server.is_floor)
        load_print_journal_size(server, row.result.acknowledged);
    return per_cpu;
}

static double load_run_floor(const struct load *load)
{
    return load_run_row(load, "floor", server_start_floor(0), 0);
}

static struct server load_start(const char *routing, const char *journal, bool file, bool kafka)
{
    struct server_settings settings = {
        .name = "load", .routing = routing, .journal = journal, .file = file, .kafka = kafka};

    return server_start(&settings, 0);
}

/* ---- the groups ------------------------------------------------------------------ */

static bool load_is_chosen(const struct load *load)
{
    return bench.load == NULL || strstr(load->label, bench.load) != NULL;
}

struct pipeline {
    const char *name, *routing, *journal;
    bool file, kafka;
};

static void load_run_pipeline(const struct load *load, const struct pipeline *p, double floor)
{
    if (p != NULL)
        load_run_row(load, p->name, load_start(p->routing, p->journal, p->file, p->kafka), floor);
}

/* A row of the floor, and one of each pipeline that is not NULL. */
static void load_fleet(const struct load *load, const struct pipeline *first,
                       const struct pipeline *second)
{
    double floor;

    if (!load_is_chosen(load))
        return;
    floor = load_run_floor(load);
    load_run_pipeline(load, first, floor);
    load_run_pipeline(load, second, floor);
}

void load_rows_fleet(void)
{
    static const struct pipeline journal = {"journal", to_no_sink, journal_only, true, false},
                                 file = {"journal, file", to_file, journal_only, true, false},
                                 kafka = {"journal, Kafka", to_kafka, journal_only, false, true},
                                 values = {"journal, values, file", to_file, journal_and_values,
                                           true, false},
                                 all = {"journal, values, file, Kafka", to_both, journal_and_values,
                                        true, true};
    const int64_t ms = bench_ms(FLEET_MS), short_ms = bench_ms(SHORT_MS);
    const bool with_kafka = bench.kafka != NULL;
    const struct pipeline *sparse = with_kafka ? &kafka : &journal;

    report_heading(true);
    load_fleet(&(struct load){"fleet", "100 x 10/s", 100, 10, 5000, ms}, sparse, NULL);
    load_fleet(&(struct load){"fleet", "2,000 x 0.5/s", 2000, 0.5, 5000, ms}, sparse, NULL);
    load_fleet(&(struct load){"fleet", "10,000 x 0.5/s", 10000, 0.5, 5000, ms},
               with_kafka ? &all : &values, NULL);
    report_heading(false);
    load_fleet(&(struct load){"fleet", "50 x 64", 50, 0, 64, short_ms}, with_kafka ? &kafka : NULL,
               &file);
}

static void load_without_journal(const struct load *load)
{
    double floor;

    report_heading(load->rate > 0);
    floor = load_run_floor(load);
    load_run_row(load, "acknowledged at once", load_start(to_no_sink, "off", true, false), floor);
    load_run_row(load, "file, fsync", load_start(file_ack, "off", true, false), floor);
    if (bench.kafka != NULL)
        load_run_row(load, "Kafka, acks=all", load_start(kafka_ack, "off", false, true), floor);
}

void load_rows_saturated(void)
{
    load_without_journal(&(struct load){"saturated", "50 x 64", 50, 0, 64, bench_ms(SHORT_MS)});
}

void load_rows_paced(void)
{
    load_without_journal(&(struct load){"paced", "100 x 10/s", 100, 10, 5000, bench_ms(SHORT_MS)});
}

static void load_journal_cost(const struct load *load)
{
    double floor;

    report_heading(load->rate > 0);
    floor = load_run_floor(load);
    load_run_row(load, "no journal", load_start(to_no_sink, "off", true, false), floor);
    load_run_row(load, "journal, fsync", load_start(to_no_sink, journal_only, true, false), floor);
    load_run_row(load, "and last values", load_start(to_no_sink, journal_and_values, true, false),
                 floor);
    load_run_row(load, "and the file sink", load_start(to_file, journal_and_values, true, false),
                 floor);
    load_run_row(load, "full, pruning",
                 load_start(to_no_sink, "{values: false, size: 16 MB}", true, false), floor);
}

void load_rows_journal(void)
{
    load_journal_cost(&(struct load){"journal", "50 x 64", 50, 0, 64, bench_ms(SHORT_MS)});
    load_journal_cost(&(struct load){"journal", "100 x 10/s", 100, 10, 5000, bench_ms(SHORT_MS)});
}
