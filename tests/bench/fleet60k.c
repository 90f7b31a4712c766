#include "fleet60k.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "archive_check.h"
#include "bench.h"
#include "crowd.h"
#include "measure.h"
#include "report.h"
#include "servers.h"
#include "util/clock.h"

#define VEHICLES 60000
#define PHASE_MS 600000
#define AFTER_MS 30000  /* of sending after the restart */
#define LIMIT_MS 600000 /* until all are connected */
#define DELIVERED_MAX_MS 120000
#define SOURCES 60000

static const char routing[] = "records: [{type: V, to: archive}]\n";

struct fleet {
    unsigned processes;
    size_t each; /* vehicles of a process */
    struct server servers[BENCH_PROCESSES_MAX];
    struct crowd crowds[BENCH_PROCESSES_MAX];
    uint32_t *last; /* shared with the crowds: last acknowledged message of each vehicle */
    double cpu_s[BENCH_PROCESSES_MAX];
};

static struct server fleet_launch(unsigned i, uint16_t port)
{
    char name[16];
    const struct server_settings settings = {.name = name,
                                             .routing = routing,
                                             .journal = "{size: 8 GB}",
                                             .file = true,
                                             .one_file = true,
                                             .keep_files = port != 0};

    snprintf(name, sizeof name, "fleet%u", i);
    return server_launch(&settings, port);
}

static struct crowd fleet_start_crowd(const struct fleet *f, unsigned i)
{
    const struct fr_load_settings settings = {.host = "127.0.0.1",
                                              .port = f->servers[i].port,
                                              .vehicles = f->each,
                                              .first = i * f->each,
                                              .data = 8,
                                              .connect_ms = LIMIT_MS,
                                              .sources = SOURCES,
                                              .from_due = true,
                                              .hold_reconnect = true,
                                              .last_acknowledged = f->last + i * f->each};

    return crowd_start(&settings, 0);
}

/* Give the same order to all crowds. */
static void fleet_order(const struct fleet *f, const struct crowd_order *order)
{
    for (unsigned i = 0; i < f->processes; i++)
        crowd_order(&f->crowds[i], order);
}

static void fleet_wait(const struct fleet *f, struct crowd_report *reports)
{
    for (unsigned i = 0; i < f->processes; i++) {
        crowd_wait(&f->crowds[i], &reports[i]);
        if (reports[i].failed)
            printf("process %u: %s\n", i, reports[i].text);
    }
}

static void fleet_wait_delivered(const struct fleet *f)
{
    for (unsigned i = 0; i < f->processes; i++)
        if (!measure_wait_delivered(f->servers[i], DELIVERED_MAX_MS))
            printf("process %u: not all records were delivered\n", i);
}

/* ---- phases ---------------------------------------------------------------------- */

/* CPU time, memory and descriptors of all processes; delays of the process with the longest ones. */
static void fleet_report_phase(const struct fleet *f, const char *name, double seconds,
                               const struct crowd_report *reports)
{
    double cpu_s = 0, resident_mb = 0, anonymous_mb = 0, p50 = 0, p99 = 0, max = 0;
    uint64_t acknowledged = 0, unanswered = 0, disconnects = 0;

    for (unsigned i = 0; i < f->processes; i++) {
        const struct fr_load_result *r = &reports[i].result;

        cpu_s += measure_cpu_seconds(f->servers[i].pid) - f->cpu_s[i];
        resident_mb += (double)measure_resident_kb(f->servers[i].pid) / 1024;
        anonymous_mb += (double)measure_anonymous_kb(f->servers[i].pid) / 1024;
        p50 = r->p50_ms > p50 ? r->p50_ms : p50;
        p99 = r->p99_ms > p99 ? r->p99_ms : p99;
        max = r->max_ms > max ? r->max_ms : max;
        acknowledged += r->acknowledged;
        unanswered += r->unanswered;
        disconnects += r->disconnects;
    }
    printf("%-16s %7.0f %9.1f %9.0f %9.0f %9.2f %9llu %8.2f %8.2f %8.1f %6llu %6llu\n", name,
           seconds, 100 * cpu_s / seconds, resident_mb, anonymous_mb,
           anonymous_mb * 1024 / (double)(f->processes * f->each), (unsigned long long)acknowledged,
           p50, p99, max, (unsigned long long)unanswered, (unsigned long long)disconnects);
    fflush(stdout);
    report_json("fleet60k", name, "fleetrouted",
                json_pack("{s:I,s:i,s:f,s:f,s:f,s:f,s:I,s:f,s:f,s:f,s:I,s:I}", "vehicles",
                          (json_int_t)(f->processes * f->each), "processes", (int)f->processes,
                          "seconds", seconds, "cpu_percent", 100 * cpu_s / seconds, "resident_mb",
                          resident_mb, "anonymous_mb", anonymous_mb, "acknowledged",
                          (json_int_t)acknowledged, "p50_ms", p50, "p99_ms", p99, "max_ms", max,
                          "unanswered", (json_int_t)unanswered, "disconnects",
                          (json_int_t)disconnects));
}

static void fleet_phase(struct fleet *f, const char *name, double rate, int64_t ms)
{
    struct crowd_report reports[BENCH_PROCESSES_MAX];
    int64_t begun_ms;

    fleet_wait_delivered(f);
    for (unsigned i = 0; i < f->processes; i++)
        f->cpu_s[i] = measure_cpu_seconds(f->servers[i].pid);
    begun_ms = fr_monotonic_ms();
    fleet_order(f, &(struct crowd_order){.action = CROWD_SEND, .phase = {rate, ms, 20000}});
    fleet_wait(f, reports); /* the begin */
    fleet_wait(f, reports);
    fleet_wait_delivered(f);
    fleet_report_phase(f, name, (double)(fr_monotonic_ms() - begun_ms) / 1000, reports);
}

static void fleet_connect(struct fleet *f)
{
    struct crowd_report reports[BENCH_PROCESSES_MAX];
    int64_t begun_ms;

    for (unsigned i = 0; i < f->processes; i++) {
        f->servers[i] = fleet_launch(i, 0);
        server_await(f->servers[i]);
        f->crowds[i] = fleet_start_crowd(f, i);
    }
    begun_ms = fr_monotonic_ms();
    fleet_order(f, &(struct crowd_order){.action = CROWD_CONNECT});
    fleet_wait(f, reports);
    printf(
        "connected, 50 at a time for each process: %.1f s, the vehicles' certificates included\n",
        (double)(fr_monotonic_ms() - begun_ms) / 1000);
}

static void fleet_restart(struct fleet *f)
{
    struct crowd_report reports[BENCH_PROCESSES_MAX];
    int64_t killed_ms = fr_monotonic_ms();
    uint64_t failed = 0, timed_out = 0;
    size_t back = 0;
    double down_s, p99_s = 0, all_s = 0;

    for (unsigned i = 0; i < f->processes; i++)
        server_kill(f->servers[i]);
    for (unsigned i = 0; i < f->processes; i++)
        f->servers[i] = fleet_launch(i, f->servers[i].port);
    for (unsigned i = 0; i < f->processes; i++)
        server_await(f->servers[i]);
    down_s = (double)(fr_monotonic_ms() - killed_ms) / 1000;
    fleet_order(f, &(struct crowd_order){.action = CROWD_STORM, .limit_ms = LIMIT_MS});
    fleet_wait(f, reports);
    for (unsigned i = 0; i < f->processes; i++) {
        const struct fr_load_storm *s = &reports[i].storm;

        back += s->back;
        failed += s->failed_attempts;
        p99_s = s->p99_s > p99_s ? s->p99_s : p99_s;
        all_s = s->all_s > all_s ? s->all_s : all_s;
        timed_out += measure_counter(f->servers[i], "handshakes_timed_out");
    }
    printf(
        "all killed and started again: ports open after %.1f s; then 99 %% of each process back "
        "after %.1f s, all (%zu) after\n%.1f s; %llu attempts failed, %llu handshakes timed out\n",
        down_s, p99_s, back, all_s, (unsigned long long)failed, (unsigned long long)timed_out);
    fflush(stdout);
    report_json("fleet60k", "restart", "fleetrouted",
                json_pack("{s:f,s:f,s:f,s:I,s:I,s:I}", "down_s", down_s, "p99_s", p99_s, "all_s",
                          all_s, "back", (json_int_t)back, "failed_attempts", (json_int_t)failed,
                          "timed_out", (json_int_t)timed_out));
}

static void fleet_check_archives(const struct fleet *f)
{
    struct archive_check check = {0};

    for (unsigned i = 0; i < f->processes; i++) {
        char *path = server_path(f->servers[i], "V.jsonl");

        archive_check(path, i * f->each, f->each, f->last + i * f->each, &check);
        free(path);
    }
    printf("of %llu acknowledged messages: %llu lost, %llu repeated, %llu out of order in the file "
           "sink\n",
           (unsigned long long)check.acknowledged, (unsigned long long)check.lost,
           (unsigned long long)check.repeated, (unsigned long long)check.out_of_order);
    report_json("fleet60k", "archive", "fleetrouted",
                json_pack("{s:I,s:I,s:I,s:I}", "acknowledged", (json_int_t)check.acknowledged,
                          "lost", (json_int_t)check.lost, "repeated", (json_int_t)check.repeated,
                          "out_of_order", (json_int_t)check.out_of_order));
}

void fleet60k_run(void)
{
    size_t vehicles = bench.vehicles != 0 ? bench.vehicles : VEHICLES;
    struct fleet f = {.processes = bench.processes};
    char label[32];

    f.each = vehicles / f.processes;
    f.last = mmap(NULL, (vehicles + 1) * sizeof *f.last, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (f.last == MAP_FAILED) {
        perror("memory for the numbers of messages");
        return;
    }
    printf(
        "\n%zu vehicles over %u processes, each with journal, last values and file sink. CPU in %% "
        "of one core, memory in MB of\nall processes, kB for each vehicle without files. Delays "
        "are from the time at which a message was due, of the\nprocess with the longest.\n",
        f.each * f.processes, f.processes);
    fleet_connect(&f);
    printf("%-16s %7s %9s %9s %9s %9s %9s %8s %8s %8s %6s %6s\n", "", "s", "CPU %", "resident",
           "anonymous", "kB each", "acked", "p50 ms", "p99 ms", "max ms", "unansw", "disc");
    fleet_phase(&f, "idle", 0, bench_ms(PHASE_MS));
    snprintf(label, sizeof label, "%g/s each", bench.rate);
    fleet_phase(&f, label, bench.rate, bench_ms(PHASE_MS));
    fleet_restart(&f);
    fleet_phase(&f, "after restart", bench.rate, AFTER_MS);
    for (unsigned i = 0; i < f.processes; i++) {
        server_stop(f.servers[i]);
        crowd_kill(&f.crowds[i]);
    }
    fleet_check_archives(&f);
    munmap(f.last, (vehicles + 1) * sizeof *f.last);
}
