/*
 * bench - work of fleetroute for each second of CPU time, compared with a minimal server.
 *
 *   tests/bench/bench [--kafka HOST:PORT] [--seconds N] [--only WORD]
 *
 * Each row is one run with a new server process and the same load generator. CPU time is that of
 * the server process (clock_getcpuclockid), so other load has little effect. Run bench in the
 * build folder.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "floor_server.h"
#include "ingest/tls.h"
#include "sim/load.h"
#include "sim/load_handshakes.h"
#include "util/clock.h"
#include "util/memory.h"

static struct {
    char folder[64];
    const char *kafka;
    const char *only;
    int64_t ms;
    struct fr_pki *pki;
} bench = {.ms = 10000};

struct server {
    pid_t pid;
    uint16_t port;
};

/* ---- servers --------------------------------------------------------------------- */

static char *in_folder(const char *name)
{
    return fr_asprintf("%s/%s", bench.folder, name);
}

static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&address, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        exit(EXIT_FAILURE);
    close(fd);
    return ntohs(address.sin_port);
}

static void rmdir_in_folder(const char *name)
{
    char *path = in_folder(name);

    rmdir(path);
    free(path);
}

static void write_file(const char *name, const char *text)
{
    char *path = in_folder(name);
    FILE *file = fopen(path, "w");

    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    free(path);
}

static void wait_for(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 500; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        int status = connect(fd, (struct sockaddr *)&address, sizeof address);

        close(fd);
        if (status == 0)
            return;
        usleep(20000);
    }
    fprintf(stderr, "the server does not answer on port %u\n", port);
    exit(EXIT_FAILURE);
}

static void delete_journal(void)
{
    static const char *const names[] = {"state/journal/data.mdb", "state/journal/lock.mdb"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = in_folder(names[i]);

        unlink(path);
        free(path);
    }
    rmdir_in_folder("state/journal");
}

/* `journal` is the value of the key `journal:`. Each run starts with an empty journal. */
static struct server start_fleetrouted(const char *routing, const char *journal)
{
    struct server server = {.port = free_port()};
    char *config =
        fr_asprintf("listen: {address: 127.0.0.1, port: %u}\n"
                    "tls: {certificate: server.pem, key: server.key, vehicle_ca: vehicle-ca.pem}\n"
                    "control: control.sock\nstate: state\njournal: %s\nplugin_dir: %s/.libs\nlog: "
                    "{level: warning}\n"
                    "sinks:\n"
                    "  archive: {plugin: file, options: {path: \"%s/%%{type}.jsonl\"}}\n"
                    "%s%s%s",
                    server.port, journal, getcwd((char[512]){0}, 512), bench.folder,
                    bench.kafka ? "  kafka: {plugin: kafka, options: {brokers: \"" : "",
                    bench.kafka ? bench.kafka : "", bench.kafka ? "\"}}\n" : "");
    char *path = in_folder("fleetroute.yaml");

    delete_journal();
    write_file("fleetroute.yaml", config);
    write_file("routing.yaml", routing);
    server.pid = fork();
    if (server.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl("./fleetrouted", "fleetrouted", "-c", path, (char *)NULL);
        perror("./fleetrouted");
        _exit(127);
    }
    free(path);
    free(config);
    wait_for(server.port);
    return server;
}

static struct server start_floor(void)
{
    struct server server = {.port = free_port()};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server.port)};
    char *certificate = in_folder("server.pem"), *key = in_folder("server.key"),
         *ca = in_folder("vehicle-ca.pem");
    struct fr_tls_files files = {certificate, key, ca, NULL};
    int on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server.pid = fork();
    if (server.pid == 0) {
        struct fr_error error;
        SSL_CTX *context = fr_tls_context(&files, &error);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (context != NULL && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
            listen(fd, 1024) == 0)
            floor_serve(fd, context);
        _exit(EXIT_FAILURE);
    }
    free(certificate);
    free(key);
    free(ca);
    wait_for(server.port);
    return server;
}

static void stop(struct server server)
{
    kill(server.pid, SIGTERM);
    waitpid(server.pid, NULL, 0);
}

static double cpu_seconds(pid_t pid)
{
    struct timespec t;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
        return 0;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long resident_kb(pid_t pid)
{
    char path[64];
    long pages = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    file = fopen(path, "r");
    if (file != NULL && fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file != NULL)
        fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* ---- runs ------------------------------------------------------------------------ */

/* CPU time is measured from when all vehicles are connected to the end of the load. */
struct window {
    pid_t pid;
    double cpu_at_start;
    long max_kb;
};

static void window_begin(void *ctx)
{
    struct window *w = ctx;

    w->cpu_at_start = cpu_seconds(w->pid);
}

static void window_sample(void *ctx)
{
    struct window *w = ctx;
    long kb = resident_kb(w->pid);

    if (kb > w->max_kb)
        w->max_kb = kb;
}

/* Of a car that drives two hours a day and sends a message a second while driving, and a message a
 * minute otherwise. */
#define WEEK_OF_RECORDS (7 * (2 * 3600 + 22 * 60))

static void print_journal_size(uint64_t records)
{
    char *path = in_folder("state/journal/data.mdb");
    struct stat st;
    double each;

    if (stat(path, &st) == 0 && records != 0) {
        each = (double)st.st_blocks * 512 / (double)records;
        printf("%-34s %.0f bytes on disk a record; a week of one car (%d records): %.1f MB\n", "",
               each, WEEK_OF_RECORDS, each * WEEK_OF_RECORDS / 1e6);
    }
    free(path);
}

static double run_load(const char *name, struct server server, size_t vehicles, double rate,
                       size_t window)
{
    struct window w = {.pid = server.pid};
    struct fr_load_settings settings = {
        .host = "127.0.0.1",
        .port = server.port,
        .vehicles = vehicles,
        .rate = rate,
        .window = window,
        .data = 8,
        .duration_ms = bench.ms,
        .patience_ms = 20000,
        .connected = window_begin,
        .second = window_sample,
        .ctx = &w,
    };
    struct fr_load_result r;
    struct fr_error error;
    double cpu, per_cpu;

    if (fr_load_run(&settings, bench.pki, &r, &error) != 0) {
        printf("%-34s %s\n", name, error.text);
        stop(server);
        return 0;
    }
    cpu = cpu_seconds(server.pid) - w.cpu_at_start;
    per_cpu = (double)r.acknowledged / cpu;
    printf("%-34s %9.0f %11.0f %8.2f %8.2f %7.1f%s\n", name, (double)r.acknowledged / r.seconds,
           per_cpu, r.p50_ms, r.p99_ms, (double)w.max_kb / 1024,
           r.unanswered != 0 ? "  (some never acknowledged)" : "");
    fflush(stdout);
    stop(server);
    print_journal_size(r.acknowledged);
    return per_cpu;
}

static void print_ratio(double value, double reference)
{
    if (value > 0 && reference > 0)
        printf("%-34s %31.0f %%\n", "", value / reference * 100);
}

static const char to_no_sink[] = "records: [{type: alerts, to: archive}]\n";
static const char to_file[] = "records: [{type: V, to: archive, ack: archive}]\n";
static const char to_kafka[] = "records: [{type: V, to: kafka, ack: kafka}]\n";

static bool wanted(const char *word)
{
    return bench.only == NULL || strcmp(bench.only, word) == 0;
}

/* The cost of the journal in CPU time, delay of the acknowledgement, and disk space. */
static void journal_cost(const char *label, size_t vehicles, double rate, size_t window)
{
    double without, with;
    char name[64];

    snprintf(name, sizeof name, "no journal, %s", label);
    without = run_load(name, start_fleetrouted(to_no_sink, "off"), vehicles, rate, window);
    snprintf(name, sizeof name, "journal, fsync, %s", label);
    with = run_load(name, start_fleetrouted(to_no_sink, "{values: false, size: 8 GB}"), vehicles,
                    rate, window);
    print_ratio(with, without);
    snprintf(name, sizeof name, "and last values, %s", label);
    with = run_load(name, start_fleetrouted(to_no_sink, "{size: 8 GB}"), vehicles, rate, window);
    print_ratio(with, without);
    snprintf(name, sizeof name, "and the file sink, %s", label);
    with = run_load(name, start_fleetrouted(to_file, "{size: 8 GB}"), vehicles, rate, window);
    print_ratio(with, without);
    snprintf(name, sizeof name, "full, pruning, %s", label);
    with = run_load(name, start_fleetrouted(to_no_sink, "{values: false, size: 16 MB}"), vehicles,
                    rate, window);
    print_ratio(with, without);
}

static void throughput(const char *label, size_t vehicles, double rate, size_t window)
{
    double floor, ours;
    char name[64];

    snprintf(name, sizeof name, "floor, %s", label);
    floor = run_load(name, start_floor(), vehicles, rate, window);
    snprintf(name, sizeof name, "acknowledged at once, %s", label);
    ours = run_load(name, start_fleetrouted(to_no_sink, "off"), vehicles, rate, window);
    print_ratio(ours, floor);
    snprintf(name, sizeof name, "file, fsync, %s", label);
    ours = run_load(name, start_fleetrouted(to_file, "off"), vehicles, rate, window);
    print_ratio(ours, floor);
    if (bench.kafka == NULL)
        return;
    snprintf(name, sizeof name, "Kafka, acks=all, %s", label);
    ours = run_load(name, start_fleetrouted(to_kafka, "off"), vehicles, rate, window);
    print_ratio(ours, floor);
}

static void notify_parent(void *ctx)
{
    if (write(*(int *)ctx, "", 1) != 1)
        _exit(EXIT_FAILURE);
}

/* Start a process with `vehicles` idle connections, which it keeps until it is killed. It writes a
 * byte to `pipe_fd` when all are open. */
static pid_t start_idle_vehicles(uint16_t port, size_t vehicles, int pipe_fd)
{
    struct fr_load_settings settings = {
        .host = "127.0.0.1",
        .port = port,
        .vehicles = vehicles,
        .rate = 1e-9,
        .window = 1,
        .data = 1,
        .duration_ms = 600000,
        .connected = notify_parent,
        .ctx = &pipe_fd,
    };
    struct fr_load_result r;
    struct fr_error error;
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (fr_load_run(&settings, bench.pki, &r, &error) != 0)
        fprintf(stderr, "%s\n", error.text);
    _exit(EXIT_FAILURE);
}

/* The memory of one connection: measured between 500 and 2,500 connections, so that memory which a
 * server allocates once (buffers, handshakes in progress) is not included. */
static void idle_run(const char *name, struct server server)
{
    const size_t first = 500, more = 2000;
    long before, after;
    int ends[2];
    char byte;
    pid_t processes[2];

    if (pipe(ends) != 0)
        exit(EXIT_FAILURE);
    processes[0] = start_idle_vehicles(server.port, first, ends[1]);
    if (read(ends[0], &byte, 1) != 1)
        exit(EXIT_FAILURE);
    usleep(500000);
    before = resident_kb(server.pid);
    processes[1] = start_idle_vehicles(server.port, more, ends[1]);
    if (read(ends[0], &byte, 1) != 1)
        exit(EXIT_FAILURE);
    usleep(500000);
    after = resident_kb(server.pid);
    printf("%-34s %9.1f kB\n", name, (double)(after - before) / (double)more);
    for (int i = 0; i < 2; i++) {
        kill(processes[i], SIGKILL);
        waitpid(processes[i], NULL, 0);
    }
    close(ends[0]);
    close(ends[1]);
    stop(server);
}

static void handshake_run(const char *name, struct server server)
{
    double before = cpu_seconds(server.pid), cpu;
    struct fr_error error;
    int64_t count =
        fr_load_handshakes("127.0.0.1", server.port, bench.pki, 16, bench.ms / 2, &error);

    if (count < 0) {
        printf("%-34s %s\n", name, error.text);
        count = 0;
    }
    cpu = cpu_seconds(server.pid) - before;
    printf("%-34s %9.0f\n", name, (double)count / cpu);
    stop(server);
}

static void run_all(void)
{
    if (wanted("saturated") || wanted("paced") || wanted("journal"))
        printf("%-34s %9s %11s %8s %8s %7s\n", "", "ack/s", "ack/CPU-s", "p50 ms", "p99 ms", "MB");
    if (wanted("saturated"))
        throughput("50 x 64", 50, 0, 64);
    if (wanted("paced"))
        throughput("100 x 10/s", 100, 10, 5000);
    if (wanted("journal")) {
        journal_cost("50 x 64", 50, 0, 64);
        journal_cost("100 x 10/s", 100, 10, 5000);
    }
    if (wanted("idle")) {
        printf("\nmemory of one idle connection\n");
        idle_run("floor", start_floor());
        idle_run("fleetrouted", start_fleetrouted(to_no_sink, "off"));
    }
    if (wanted("handshakes")) {
        printf("\nhandshakes per second of CPU time (P-256, to an open WebSocket)\n");
        handshake_run("floor", start_floor());
        handshake_run("fleetrouted", start_fleetrouted(to_no_sink, "off"));
    }
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        {"kafka", required_argument, NULL, 'k'},
        {"seconds", required_argument, NULL, 's'},
        {"only", required_argument, NULL, 'o'},
        {NULL, 0, NULL, 0},
    };
    struct rlimit files = {65536, 65536};
    struct fr_error error;
    int option;

    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (option == 'k')
            bench.kafka = optarg;
        else if (option == 's')
            bench.ms = strtoll(optarg, NULL, 10) * 1000;
        else if (option == 'o')
            bench.only = optarg;
        else {
            fputs("usage: bench [--kafka HOST:PORT] [--seconds N] [--only "
                  "saturated|paced|journal|idle|handshakes]\n",
                  stderr);
            return EXIT_FAILURE;
        }
    }
    signal(SIGPIPE, SIG_IGN);
    setrlimit(RLIMIT_NOFILE, &files);
    strcpy(bench.folder, "/tmp/fleetroute-bench.XXXXXX");
    if (mkdtemp(bench.folder) == NULL) {
        perror("mkdtemp");
        return EXIT_FAILURE;
    }
    bench.pki = fr_pki_open(bench.folder, NULL, &error);
    if (bench.pki == NULL) {
        fprintf(stderr, "%s\n", error.text);
        return EXIT_FAILURE;
    }
    run_all();
    fr_pki_free(bench.pki);
    return EXIT_SUCCESS;
}
