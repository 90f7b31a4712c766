/*
 * bench - work of fleetroute for each second of CPU time, compared with a minimal server.
 *
 * Each row is one run with a new server process and the same load generator. CPU time is that of
 * the server process (clock_getcpuclockid), so other load has little effect. Run bench in the
 * build folder. README.md beside this file describes the groups of rows.
 */
#include "bench.h"

#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fleet60k.h"
#include "load_rows.h"
#include "other_rows.h"
#include "report.h"
#include "servers.h"
#include "sink_rows.h"
#include "storm_rows.h"

struct bench bench = {.processes = 4, .rate = 0.05};

static const struct {
    const char *word;
    void (*run)(void);
    bool by_default; /* without --only */
} groups[] = {
    {"saturated", load_rows_saturated, true},
    {"paced", load_rows_paced, true},
    {"journal", load_rows_journal, true},
    {"fleet", load_rows_fleet, true},
    {"memory", other_rows_memory, true},
    {"handshakes", other_rows_handshakes, true},
    {"storm", storm_rows, true},
    {"sinks", sink_rows, false},
    {"fleet60k", fleet60k_run, false},
};

static const char usage[] =
    "usage: bench [OPTIONS]      in the build folder\n"
    "  --only GROUP        saturated, paced, journal, fleet, memory, handshakes, storm, sinks,\n"
    "                      fleet60k; default: all but the last two\n"
    "  --load TEXT         of fleet: only loads whose label contains TEXT, such as \"50 x 64\"\n"
    "  --kafka HOST:PORT   rows with Kafka, too\n"
    "  --seconds N         duration of a row instead of the default of its group\n"
    "  --vehicles N        of storm (5,000) and fleet60k (60,000)\n"
    "  --processes N       of fleetrouted in fleet60k (4)\n"
    "  --rate R            messages of each vehicle per second in fleet60k (0.05)\n"
    "  --json FILE         append each row as one JSON object\n";

int64_t bench_ms(int64_t default_ms)
{
    return bench.ms != 0 ? bench.ms : default_ms;
}

static bool bench_run_groups(void)
{
    bool found = false;

    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (bench.only != NULL ? strcmp(bench.only, groups[i].word) == 0 : groups[i].by_default) {
            groups[i].run();
            found = true;
        }
    return found;
}

static int bench_make_folder(void)
{
    const char *parent = getenv("TMPDIR");
    struct fr_error error;

    snprintf(bench.folder, sizeof bench.folder, "%.400s/fleetroute-bench.XXXXXX",
             parent != NULL ? parent : "/tmp");
    if (mkdtemp(bench.folder) == NULL) {
        perror(bench.folder);
        return -1;
    }
    bench.pki = fr_pki_open(bench.folder, NULL, &error);
    if (bench.pki == NULL)
        fprintf(stderr, "%s\n", error.text);
    return bench.pki != NULL ? 0 : -1;
}

/* 10,000 vehicles of one process need as many descriptors. */
static void bench_raise_descriptors(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static int bench_read_options(int argc, char **argv, const char **json)
{
    static const struct option longs[] = {
        {"kafka", required_argument, NULL, 'k'},
        {"seconds", required_argument, NULL, 's'},
        {"only", required_argument, NULL, 'o'},
        {"vehicles", required_argument, NULL, 'v'},
        {"processes", required_argument, NULL, 'p'},
        {"rate", required_argument, NULL, 'r'},
        {"json", required_argument, NULL, 'j'},
        {"load", required_argument, NULL, 'l'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (option == 'k')
            bench.kafka = optarg;
        else if (option == 's')
            bench.ms = (int64_t)(strtod(optarg, NULL) * 1000);
        else if (option == 'o')
            bench.only = optarg;
        else if (option == 'l')
            bench.load = optarg;
        else if (option == 'v')
            bench.vehicles = strtoul(optarg, NULL, 10);
        else if (option == 'p')
            bench.processes = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 'r')
            bench.rate = strtod(optarg, NULL);
        else if (option == 'j')
            *json = optarg;
        else
            return -1;
    }
    return optind == argc && bench.processes >= 1 && bench.processes <= BENCH_PROCESSES_MAX ? 0
                                                                                            : -1;
}

int main(int argc, char **argv)
{
    const char *json = NULL;
    bool found;

    if (argc == 4 && strcmp(argv[1], SERVER_FLOOR_WORD) == 0)
        server_run_floor(argv[2], (uint16_t)strtoul(argv[3], NULL, 10));
    if (bench_read_options(argc, argv, &json) != 0) {
        fputs(usage, stderr);
        return EXIT_FAILURE;
    }
    /* The messages of a vehicle are a block of 400 kB, of which few pages are used. */
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    signal(SIGPIPE, SIG_IGN);
    bench_raise_descriptors();
    if (report_open(json) != 0 || bench_make_folder() != 0)
        return EXIT_FAILURE;
    found = bench_run_groups();
    fr_pki_free(bench.pki);
    server_delete_folder(bench.folder);
    if (!found)
        fputs(usage, stderr);
    return found ? EXIT_SUCCESS : EXIT_FAILURE;
}
