/* fleetroute journal: prints the contents of the journal and the position of each sink; moves a
 * sink. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/server_config.h"
#include "config/yaml_values.h"
#include "journal/store_open.h"
#include "journal/store_read.h"
#include "journal/store_write.h"
#include "tool/commands.h"
#include "tool/control_client.h"
#include "util/clock.h"
#include "util/memory.h"

#ifndef FR_CONFIG_DIR
#define FR_CONFIG_DIR "/etc/fleetroute"
#endif

static const char help[] =
    "usage: fleetroute journal status [-c FILE]\n"
    "       fleetroute journal rewind SINK --to POSITION [-c FILE]\n"
    "       fleetroute journal dump [--since POSITION] [-n COUNT] [-c FILE]\n"
    "       fleetroute journal check [-c FILE]\n"
    "       fleetroute journal salvage [-c FILE]\n"
    "\n"
    "  status   print the number and size of the records and the position of each sink\n"
    "  rewind   move a sink backward or forward\n"
    "  dump     print records as JSON lines\n"
    "  check    read the whole journal and report missing and damaged records\n"
    "  salvage  make a new journal from the readable records of a damaged one\n"
    "\n"
    "The daemon must not run during salvage. The other commands also work while it runs.\n"
    "\n"
    "  -c, --config FILE     the configuration (" FR_CONFIG_DIR "/fleetroute.yaml)\n"
    "      --to POSITION     a record number, oldest, now, a UTC time such as\n"
    "                        2026-11-23T08:00:00Z, or an age such as \"90 min\"\n"
    "      --since POSITION  start at this position (oldest)\n"
    "  -n, --count COUNT     exit after this number of records\n"
    "  -h, --help            print this help and exit\n";

struct journal_job {
    struct fr_server_config *config;
    struct fr_store *store;
    struct fr_store_reader *reader;
    const char *position; /* of --to or --since; NULL: not given */
    long long count;      /* max records to print; -1: no limit */
};

/* Print an error; returns the exit status. */
static int journal_fail(const struct fr_error *error)
{
    fprintf(stderr, "fleetroute journal: %s\n", error->text);
    return EXIT_FAILURE;
}

static int journal_open_store(struct journal_job *job, bool read_only, struct fr_error *error)
{
    job->store = fr_store_open_readonly(job->config->journal_path, read_only, error);
    if (job->store == NULL)
        return -1;
    job->reader = fr_store_reader_new(job->store, error);
    return job->reader != NULL ? 0 : -1;
}

/* ---- positions ------------------------------------------------------------------- */

/* Convert a position of the command line to the number of a record. */
static int journal_seq_of(struct journal_job *job, const char *position, uint64_t *seq,
                          struct fr_error *error)
{
    struct fr_store_usage usage;
    struct tm tm = {0};
    int64_t ago, ms;
    const char *rest;
    char *end;

    if (fr_store_usage(job->store, &usage, error) != 0)
        return -1;
    *seq = usage.first;
    if (strcmp(position, "oldest") == 0)
        return 0;
    *seq = usage.next;
    if (strcmp(position, "now") == 0)
        return 0;
    errno = 0;
    *seq = strtoull(position, &end, 10);
    if (isdigit((unsigned char)position[0]) && *end == '\0' && errno == 0)
        return 0;
    rest = strptime(position, "%Y-%m-%dT%H:%M:%S", &tm);
    if (fr_parse_duration(position, &ago))
        ms = fr_wall_ms() - ago;
    else if (rest != NULL && strcmp(rest, "Z") == 0)
        ms = (int64_t)timegm(&tm) * 1000;
    else
        return fr_error_set(
            error,
            "\"%s\" is not a position: use a record number, oldest, now, a UTC time "
            "such as 2026-11-23T08:00:00Z, or an age such as \"90 min\"",
            position);
    return fr_store_seek(job->reader, ms, seq, error);
}

/* ---- status ---------------------------------------------------------------------- */

/* Print a UTC time after `prefix`; nothing if `ms` is 0. */
static void journal_print_time(const char *prefix, int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    char text[32];

    if (ms == 0 || gmtime_r(&seconds, &tm) == NULL)
        return;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    printf("%s%s", prefix, text);
}

struct cursor_line {
    char *name;
    uint64_t seq;
    int64_t moved_ms;
    uint64_t dropped;
};

struct cursor_lines {
    struct cursor_line *line;
    size_t count;
};

/* Only copy the cursor: the transaction is open, and a write to standard output may block. */
static void journal_copy_cursor(void *ctx, const char *name, uint64_t seq, int64_t moved_ms)
{
    struct cursor_lines *lines = ctx;

    if (name[0] == ':')
        return;
    lines->line = fr_realloc(lines->line, lines->count + 1, sizeof *lines->line);
    lines->line[lines->count++] = (struct cursor_line){fr_strdup(name), seq, moved_ms, 0};
}

static void journal_print_cursor(const struct journal_job *job, const struct fr_store_usage *usage,
                                 const struct cursor_line *line)
{
    bool known = false;

    for (size_t i = 0; i < job->config->sink_count; i++)
        known = known || strcmp(job->config->sinks[i].name, line->name) == 0;
    printf("sink %-16s at record %" PRIu64 ", lag %" PRIu64, line->name, line->seq,
           usage->next > line->seq ? usage->next - line->seq : 0);
    if (line->seq < usage->first)
        printf(", of which %" PRIu64 " are deleted", usage->first - line->seq);
    if (line->dropped != 0)
        printf(", %" PRIu64 " deleted undelivered so far", line->dropped);
    journal_print_time(", moved ", line->moved_ms);
    puts(known ? "" : " (not configured; its position is kept)");
}

static int journal_print_status(struct journal_job *job)
{
    struct cursor_lines lines = {0};
    struct fr_store_usage usage;
    struct fr_error error;
    int status = EXIT_SUCCESS;

    if (journal_open_store(job, true, &error) != 0 ||
        fr_store_usage(job->store, &usage, &error) != 0)
        return journal_fail(&error);
    if (fr_store_cursors(job->reader, journal_copy_cursor, &lines, &error) != 0)
        status = journal_fail(&error);
    printf("journal %s\n%" PRIu64 " records, %" PRIu64 " to %" PRIu64, job->config->journal_path,
           usage.next - usage.first, usage.first, usage.next - 1);
    journal_print_time(", the oldest from ", usage.first_ms);
    printf("\n%.1f MB of records (max %.1f), %.1f MB on disk\n", (double)usage.record_bytes / 1e6,
           (double)job->config->journal_size / 1e6, (double)usage.file_bytes / 1e6);
    for (size_t i = 0; i < lines.count && status == EXIT_SUCCESS; i++) {
        struct cursor_line *line = &lines.line[i];

        if (fr_store_dropped(job->reader, line->name, &line->dropped, &error) != 0)
            status = journal_fail(&error);
    }
    for (size_t i = 0; i < lines.count; i++) {
        journal_print_cursor(job, &usage, &lines.line[i]);
        free(lines.line[i].name);
    }
    free(lines.line);
    return status;
}

/* ---- rewind ---------------------------------------------------------------------- */

static int journal_move_cursor(struct journal_job *job, const char *sink, uint64_t seq,
                               struct fr_error *error)
{
    if (fr_store_begin(job->store, error) != 0)
        return -1;
    if (fr_store_set_cursor(job->store, sink, seq, fr_wall_ms(), error) != 0) {
        fr_store_abort(job->store);
        return -1;
    }
    return fr_store_commit(job->store, error);
}

static void journal_rewind_print(const char *sink, const char *verb, uint64_t requested,
                                 uint64_t seq)
{
    if (seq > requested)
        printf("records before %" PRIu64 " are deleted: it is the oldest\n", seq);
    printf("sink %s %s at record %" PRIu64 "\n", sink, verb, seq);
}

/* Make the running daemon move a cursor. */
static int journal_rewind_running(const struct journal_job *job, const char *sink, uint64_t seq)
{
    char *request = fr_asprintf("rewind %s %" PRIu64, sink, seq);
    json_t *reply = fr_control_command("fleetroute journal", job->config->control, request);

    free(request);
    if (reply == NULL)
        return EXIT_FAILURE;
    journal_rewind_print(sink, "continues", seq,
                         (uint64_t)json_integer_value(json_object_get(reply, "rewound_to")));
    json_decref(reply);
    return EXIT_SUCCESS;
}

/* Move a cursor while the daemon does not run. */
static int journal_rewind_stopped(struct journal_job *job, const char *sink, uint64_t requested,
                                  struct fr_error *error)
{
    struct fr_store_usage usage;
    uint64_t at, seq = requested;
    int64_t moved;
    bool configured = false;
    int found = fr_store_cursor(job->reader, sink, &at, &moved, error);

    for (size_t i = 0; i < job->config->sink_count; i++)
        configured = configured || strcmp(job->config->sinks[i].name, sink) == 0;
    if (found < 0)
        return -1;
    if (found == 0 && !configured)
        return fr_error_set(error, "there is no sink %s", sink);
    if (fr_store_usage(job->store, &usage, error) != 0 ||
        fr_store_position(&usage, &seq, error) != 0 ||
        journal_move_cursor(job, sink, seq, error) != 0)
        return -1;
    if (found == 0)
        printf("sink %s had no position yet\n", sink);
    journal_rewind_print(sink, "starts", requested, seq);
    return 0;
}

static int journal_rewind_sink(struct journal_job *job, const char *sink)
{
    FILE *daemon;
    struct fr_error error;
    uint64_t seq;
    bool runs;

    if (job->position == NULL) {
        fputs("fleetroute journal: rewind needs `--to POSITION`\n", stderr);
        return EXIT_FAILURE;
    }
    daemon = fr_control_request(job->config->control, "status", &error);
    runs = daemon != NULL;
    if (runs)
        fclose(daemon);
    if (journal_open_store(job, runs, &error) != 0 ||
        journal_seq_of(job, job->position, &seq, &error) != 0)
        return journal_fail(&error);
    if (runs)
        return journal_rewind_running(job, sink, seq);
    return journal_rewind_stopped(job, sink, seq, &error) == 0 ? EXIT_SUCCESS
                                                               : journal_fail(&error);
}

/* ---- dump ------------------------------------------------------------------------ */

static int journal_dump(struct journal_job *job)
{
    const char *position = job->position != NULL ? job->position : "oldest";
    struct fr_store_usage usage;
    struct fr_error error;
    uint64_t seq;

    if (journal_open_store(job, true, &error) != 0 ||
        fr_store_usage(job->store, &usage, &error) != 0 ||
        journal_seq_of(job, position, &seq, &error) != 0)
        return journal_fail(&error);
    return fr_cmd_journal_dump(job->reader, seq, usage.next, job->count);
}

/* ---- command line ---------------------------------------------------------------- */

static int journal_run(struct journal_job *job, const char *config, int count, char **arguments)
{
    struct fr_diagnostics diagnostics = {0};
    int status = EXIT_FAILURE;

    job->config = fr_server_config_load(config, &diagnostics);
    if (diagnostics.errors != 0 || job->config == NULL)
        fr_diagnostics_print(&diagnostics, stderr);
    else if (!job->config->journal_on)
        fprintf(stderr, "fleetroute journal: %s has `journal: off`\n", config);
    else if (count == 1 && strcmp(arguments[0], "status") == 0)
        status = journal_print_status(job);
    else if (count == 2 && strcmp(arguments[0], "rewind") == 0)
        status = journal_rewind_sink(job, arguments[1]);
    else if (count == 1 && strcmp(arguments[0], "dump") == 0)
        status = journal_dump(job);
    else if (count == 1 && strcmp(arguments[0], "check") == 0)
        status = fr_cmd_journal_check(job->config);
    else if (count == 1 && strcmp(arguments[0], "salvage") == 0)
        status = fr_cmd_journal_salvage(job->config);
    else
        fputs(help, stderr);
    fr_store_reader_free(job->reader);
    fr_store_close(job->store);
    fr_server_config_unref(job->config);
    fr_diagnostics_free(&diagnostics);
    return status;
}

int fr_cmd_journal(int argc, char **argv)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'}, {"to", required_argument, NULL, 't'},
        {"since", required_argument, NULL, 't'},  {"count", required_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    const char *config = FR_CONFIG_DIR "/fleetroute.yaml";
    struct journal_job job = {.count = -1};
    char *end;
    int option;

    while ((option = getopt_long(argc, argv, "c:n:h", longs, NULL)) != -1) {
        switch (option) {
        case 'c':
            config = optarg;
            break;
        case 't':
            job.position = optarg;
            break;
        case 'n':
            errno = 0;
            job.count = strtoll(optarg, &end, 10);
            if (!isdigit((unsigned char)optarg[0]) || *end != '\0' || errno != 0) {
                fprintf(stderr, "fleetroute journal: --count %s is not a number\n", optarg);
                return EXIT_FAILURE;
            }
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_SUCCESS;
        default:
            return EXIT_FAILURE;
        }
    }
    return journal_run(&job, config, argc - optind, argv + optind);
}
