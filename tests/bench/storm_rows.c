#include "storm_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"
#include "crowd.h"
#include "measure.h"
#include "report.h"
#include "servers.h"

#define VEHICLES 5000
#define STEADY 50       /* vehicles that send during the storm */
#define STEADY_RATE 2   /* messages of each per second */
#define STEADY_NICE -10 /* their delays are to show the server, not the generator of the storm */
#define LIMIT_MS 180000
#define SOURCES 5000

static const char routing[] = "records: [{type: V, to: archive}]\n";

struct storm_run {
    struct fr_load_storm storm;
    struct fr_load_result steady;
    uint64_t timed_out, closed_for_others; /* counters of fleetrouted */
    double cpu_s;
};

static struct server storm_start_server(bool is_floor, uint16_t port)
{
    const struct server_settings settings = {.name = "storm",
                                             .routing = routing,
                                             .journal = "{size: 8 GB}",
                                             .file = true,
                                             .keep_files = port != 0};

    return is_floor ? server_start_floor(port) : server_start(&settings, port);
}

static struct crowd storm_start_vehicles(struct server server, size_t first, size_t count,
                                         int nice_value)
{
    const struct fr_load_settings settings = {.host = "127.0.0.1",
                                              .port = server.port,
                                              .vehicles = count,
                                              .first = first,
                                              .data = 8,
                                              .connect_ms = LIMIT_MS,
                                              .sources = SOURCES,
                                              .from_due = true,
                                              .hold_reconnect = first != 0};
    struct crowd crowd = crowd_start(&settings, nice_value);
    struct crowd_report report;

    crowd_order(&crowd, &(struct crowd_order){.action = CROWD_CONNECT});
    crowd_wait(&crowd, &report);
    if (report.failed)
        printf("%s\n", report.text);
    return crowd;
}

/* The steady vehicles connect to the new server first; the storm begins when they begin to send. */
static void storm_reconnect_all(struct server server, const struct crowd *crowd,
                                struct storm_run *run)
{
    struct crowd steady = storm_start_vehicles(server, 0, STEADY, STEADY_NICE);
    double cpu_before;
    struct crowd_report report;

    measure_wait_delivered(server, 10000);
    cpu_before = measure_cpu_seconds(server.pid);
    crowd_send(&steady, STEADY_RATE, LIMIT_MS);
    crowd_wait(&steady, &report);
    crowd_order(crowd, &(struct crowd_order){.action = CROWD_STORM, .limit_ms = LIMIT_MS});
    crowd_wait(crowd, &report);
    run->storm = report.storm;
    run->cpu_s = measure_cpu_seconds(server.pid) - cpu_before;
    crowd_end_sending(&steady);
    crowd_wait(&steady, &report);
    run->steady = report.result;
    run->timed_out = measure_counter(server, "handshakes_timed_out");
    run->closed_for_others = measure_counter(server, "half_open_connections_closed_for_others") +
                             measure_counter(server, "half_open_connections_over_limit_of_source");
    crowd_kill(&steady);
}

static void storm_report(const char *name, size_t vehicles, const struct storm_run *run)
{
    const struct fr_load_storm *s = &run->storm;
    const struct fr_load_result *r = &run->steady;
    char label[32];

    printf("%-16s %8.2f %8.2f %8.2f %7zu %8llu %9llu %7llu %7.2f %8.2f %8.1f %6u %7.2f\n", name,
           s->half_s, s->p99_s, s->all_s, s->back, (unsigned long long)s->failed_attempts,
           (unsigned long long)run->timed_out, (unsigned long long)run->closed_for_others,
           r->p50_ms, r->p99_ms, r->max_ms, r->silent_seconds, run->cpu_s);
    if (r->unanswered != 0 || r->disconnects != 0)
        printf("%-16s the vehicles that send: %llu never acknowledged, %llu disconnects\n", "",
               (unsigned long long)r->unanswered, (unsigned long long)r->disconnects);
    fflush(stdout);
    snprintf(label, sizeof label, "%zu at once", vehicles);
    report_json("storm", label, name,
                json_pack("{s:f,s:f,s:f,s:I,s:I,s:I,s:I,s:f,s:f,s:f,s:i,s:I,s:f}", "half_s",
                          s->half_s, "p99_s", s->p99_s, "all_s", s->all_s, "back",
                          (json_int_t)s->back, "failed_attempts", (json_int_t)s->failed_attempts,
                          "timed_out", (json_int_t)run->timed_out, "closed_for_others",
                          (json_int_t)run->closed_for_others, "p50_ms", r->p50_ms, "p99_ms",
                          r->p99_ms, "max_ms", r->max_ms, "silent_s", (int)r->silent_seconds,
                          "unanswered", (json_int_t)r->unanswered, "cpu_s", run->cpu_s));
}

static void storm_row(const char *name, bool is_floor)
{
    size_t vehicles = bench.vehicles != 0 ? bench.vehicles : VEHICLES;
    struct server server = storm_start_server(is_floor, 0);
    struct crowd crowd = storm_start_vehicles(server, STEADY, vehicles, 0);
    struct storm_run run = {.cpu_s = 0};

    server_kill(server);
    server = storm_start_server(is_floor, server.port);
    storm_reconnect_all(server, &crowd, &run);
    storm_report(name, vehicles, &run);
    crowd_kill(&crowd);
    server_stop(server);
}

void storm_rows(void)
{
    printf(
        "\nAll vehicles connect at once after the server was killed and started again: seconds "
        "until 50 %%, 99 %% and all\nare connected. An attempt that fails is repeated after 1 s. "
        "Delays of %d vehicles that connected before and\nsend %d/s each, from the time at which a "
        "message was due, during the storm.\n"
        "%-16s %8s %8s %8s %7s %8s %9s %7s %7s %8s %8s %6s %7s\n",
        STEADY, STEADY_RATE, "", "50 %", "99 %", "all", "back", "failed", "timed out", "closed",
        "p50 ms", "p99 ms", "max ms", "silent", "CPU s");
    storm_row("floor", true);
    storm_row("fleetrouted", false);
}
