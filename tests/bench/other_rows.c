#include "other_rows.h"

#include <stdio.h>
#include <unistd.h>

#include "bench.h"
#include "crowd.h"
#include "measure.h"
#include "report.h"
#include "servers.h"
#include "sim/load_handshakes.h"

#define FIRST 500        /* vehicles connected before the first look at the memory */
#define MORE 2000        /* between the first and the second */
#define SETTLE_S 12      /* until memory is read: timers of the server have run once */
#define SENDING_RATE 0.5 /* messages of a vehicle per second */
#define HANDSHAKES_MS 5000
#define SOURCES 250

static const char to_no_sink[] = "records: [{type: alerts, to: archive}]\n";
static const char to_file[] = "records: [{type: V, to: archive}]\n";

/* ---- handshakes ------------------------------------------------------------------ */

static double handshake_row(const char *name, struct server server, double floor)
{
    double before = measure_cpu_seconds(server.pid), per_cpu;
    struct fr_error error;
    int64_t count = fr_load_handshakes("127.0.0.1", server.port, bench.pki, 16,
                                       bench_ms(HANDSHAKES_MS), &error);

    if (count < 0)
        printf("%-42s %s\n", name, error.text);
    per_cpu = count < 0 ? 0 : (double)count / (measure_cpu_seconds(server.pid) - before);
    printf("%-42s %9.0f", name, per_cpu);
    if (floor > 0)
        printf(" %8.2f", per_cpu / floor);
    putchar('\n');
    report_json("handshakes", "16 at a time", name,
                json_pack("{s:f,s:f}", "handshakes_cpu_s", per_cpu, "of_floor",
                          floor > 0 ? per_cpu / floor : 0));
    server_stop(server);
    return per_cpu;
}

void other_rows_handshakes(void)
{
    struct server_settings settings = {
        .name = "handshakes", .routing = to_no_sink, .journal = "off", .file = true};
    double floor;

    printf("\nHandshakes for each second of CPU time of the server: P-256, to an open WebSocket.\n"
           "%-42s %9s %8s\n",
           "", "/CPU-s", "of floor");
    floor = handshake_row("floor", server_start_floor(0), 0);
    handshake_row("fleetrouted", server_start(&settings, 0), floor);
}

/* ---- memory ---------------------------------------------------------------------- */

/* Start a process with this number of vehicles, and let them send at this rate, or be idle. */
static struct crowd memory_start_vehicles(struct server server, size_t first, size_t count,
                                          double rate)
{
    const struct fr_load_settings settings = {.host = "127.0.0.1",
                                              .port = server.port,
                                              .vehicles = count,
                                              .first = first,
                                              .data = 8,
                                              .connect_ms = 120000,
                                              .sources = SOURCES};
    struct crowd crowd = crowd_start(&settings, 0);
    struct crowd_report report;

    crowd_order(&crowd, &(struct crowd_order){.action = CROWD_CONNECT});
    crowd_wait(&crowd, &report);
    if (report.failed)
        printf("%s\n", report.text);
    crowd_send(&crowd, rate, 3600 * 1000);
    crowd_wait(&crowd, &report);
    return crowd;
}

/* The difference between 500 and 2,500 vehicles does not contain what a server allocates once. */
static double memory_row(const char *label, const char *name, struct server server, double rate)
{
    struct crowd first = memory_start_vehicles(server, 0, FIRST, rate), more;
    long before, after, resident;
    double kb;

    sleep(SETTLE_S);
    before = measure_anonymous_kb(server.pid);
    more = memory_start_vehicles(server, FIRST, MORE, rate);
    sleep(SETTLE_S);
    after = measure_anonymous_kb(server.pid);
    resident = measure_resident_kb(server.pid);
    kb = (double)(after - before) / MORE;
    printf("%-42s %8.1f %13.1f %9.1f\n", name, kb, (double)after / 1024, (double)resident / 1024);
    fflush(stdout);
    report_json("memory", label, name,
                json_pack("{s:f,s:f,s:f}", "kb_per_vehicle", kb, "anonymous_mb",
                          (double)after / 1024, "resident_mb", (double)resident / 1024));
    crowd_kill(&first);
    crowd_kill(&more);
    server_stop(server);
    return kb;
}

void other_rows_memory(void)
{
    static const struct {
        const char *label;
        double rate;
    } loads[] = {{"idle", 0}, {"0.5/s", SENDING_RATE}};
    struct server_settings settings = {
        .name = "memory", .routing = to_file, .journal = "{size: 8 GB}", .file = true};

    printf(
        "\nMemory without a file behind it (RssAnon), in kB for each vehicle between the 500th and "
        "the 2,500th; in MB\nwith all 2,500, and with the pages of files (resident). Journal, last "
        "values and file sink.\n%-42s %8s %13s %9s\n",
        "", "kB each", "anonymous MB", "resident");
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++) {
        char name[48];

        snprintf(name, sizeof name, "%s: floor", loads[i].label);
        memory_row(loads[i].label, name, server_start_floor(0), loads[i].rate);
        snprintf(name, sizeof name, "%s: fleetrouted", loads[i].label);
        memory_row(loads[i].label, name, server_start(&settings, 0), loads[i].rate);
    }
}
