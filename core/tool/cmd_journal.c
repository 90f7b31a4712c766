/* fleetroute journal: what is in it, where each sink stands, and moving a sink elsewhere. */
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
#include "journal/journal_store.h"
#include "journal/stored_record.h"
#include "record/json.h"
#include "tool/commands.h"
#include "tool/control_client.h"
#include "util/clock.h"
#include "util/memory.h"

#ifndef FR_CONFIG_DIR
#define FR_CONFIG_DIR "/etc/fleetroute"
#endif

#define DUMP_AT_A_TIME 1000         /* records copied in one transaction */
#define DUMP_CHUNK_BYTES (1u << 20) /* and bytes, one record more at most */

static const char help[] =
    "usage: fleetroute journal status [-c FILE]\n"
    "       fleetroute journal rewind SINK --to PLACE [-c FILE]\n"
    "       fleetroute journal dump [--since PLACE] [-n COUNT] [-c FILE]\n"
    "       fleetroute journal check [-c FILE]\n"
    "       fleetroute journal salvage [-c FILE]\n"
    "status shows what the journal holds and where each sink stands in it; rewind moves a sink,\n"
    "back or forth; dump writes records as JSON lines; check reads all of it and says whether it "
    "is\n"
    "whole. The daemon may run or not. salvage makes a new journal of what can be read of a "
    "broken\n"
    "one; the daemon must not run.\n"
    "\n"
    "  -c, --config FILE  configuration (" FR_CONFIG_DIR "/fleetroute.yaml)\n"
    "      --to PLACE     a record's number, oldest, now, a time such as 2026-11-23T08:00:00Z,\n"
    "                     or how long ago: \"90 min\"\n"
    "      --since PLACE  begin there (oldest)\n"
    "  -n, --count COUNT  end after so many records\n"
    "  -h, --help         show this\n";

struct job {
    struct fr_server_config *config;
    struct fr_store *store;
    struct fr_store_reader *reader;
    const char *place;
    long long count; /* -1: all */
};

static int complain(const struct fr_error *error)
{
    fprintf(stderr, "fleetroute journal: %s\n", error->text);
    return EXIT_FAILURE;
}

static int open_store(struct job *job, bool read_only, struct fr_error *error)
{
    job->store = fr_store_visit(job->config->journal_path, read_only, error);
    if (job->store == NULL)
        return -1;
    job->reader = fr_store_reader_new(job->store, error);
    return job->reader != NULL ? 0 : -1;
}

/* ---- places ---------------------------------------------------------------------- */

static int seq_of(struct job *job, const char *place, uint64_t *seq, struct fr_error *error)
{
    struct fr_store_usage usage;
    struct tm tm = {0};
    int64_t ago, ms;
    const char *rest;
    char *end;

    if (fr_store_usage(job->store, &usage, error) != 0)
        return -1;
    *seq = usage.first;
    if (strcmp(place, "oldest") == 0)
        return 0;
    *seq = usage.next;
    if (strcmp(place, "now") == 0)
        return 0;
    errno = 0;
    *seq = strtoull(place, &end, 10);
    if (isdigit((unsigned char)place[0]) && *end == '\0' && errno == 0)
        return 0;
    rest = strptime(place, "%Y-%m-%dT%H:%M:%S", &tm);
    if (fr_parse_duration(place, &ago))
        ms = fr_wall_ms() - ago;
    else if (rest != NULL && strcmp(rest, "Z") == 0)
        ms = (int64_t)timegm(&tm) * 1000;
    else
        return fr_error_set(error,
                            "\"%s\" is no place: give a number, oldest, now, a time in UTC such as "
                            "2026-11-23T08:00:00Z, or how long ago, such as \"90 min\"",
                            place);
    return fr_store_seek(job->reader, ms, seq, error);
}

/* ---- status ---------------------------------------------------------------------- */

static void print_time(const char *before, int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    char text[32];

    if (ms == 0 || gmtime_r(&seconds, &tm) == NULL)
        return;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    printf("%s%s", before, text);
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

/* Only copies: the transaction is open, and standard output may block. */
static void journal_copy_cursor(void *ctx, const char *name, uint64_t seq, int64_t moved_ms)
{
    struct cursor_lines *lines = ctx;

    if (name[0] == ':')
        return;
    lines->line = fr_realloc(lines->line, lines->count + 1, sizeof *lines->line);
    lines->line[lines->count++] = (struct cursor_line){fr_strdup(name), seq, moved_ms, 0};
}

static void journal_print_cursor(const struct job *job, const struct fr_store_usage *usage,
                                 const struct cursor_line *line)
{
    bool known = false;

    for (size_t i = 0; i < job->config->sink_count; i++)
        known = known || strcmp(job->config->sinks[i].name, line->name) == 0;
    printf("sink %-16s at %" PRIu64 ", %" PRIu64 " behind", line->name, line->seq,
           usage->next > line->seq ? usage->next - line->seq : 0);
    if (line->seq < usage->first)
        printf(", %" PRIu64 " of them are deleted", usage->first - line->seq);
    if (line->dropped != 0)
        printf(", %" PRIu64 " deleted undelivered so far", line->dropped);
    print_time(", moved ", line->moved_ms);
    puts(known ? "" : " (not configured; its place is kept)");
}

static int show_status(struct job *job)
{
    struct cursor_lines lines = {0};
    struct fr_store_usage usage;
    struct fr_error error;
    int status = EXIT_SUCCESS;

    if (open_store(job, true, &error) != 0 || fr_store_usage(job->store, &usage, &error) != 0)
        return complain(&error);
    if (fr_store_cursors(job->reader, journal_copy_cursor, &lines, &error) != 0)
        status = complain(&error);
    printf("journal %s\n%" PRIu64 " records, %" PRIu64 " to %" PRIu64, job->config->journal_path,
           usage.next - usage.first, usage.first, usage.next - 1);
    print_time(", the oldest of ", usage.first_ms);
    printf("\n%.1f MB of records (at most %.1f), %.1f MB on disk\n",
           (double)usage.record_bytes / 1e6, (double)job->config->journal_size / 1e6,
           (double)usage.file_bytes / 1e6);
    for (size_t i = 0; i < lines.count && status == EXIT_SUCCESS; i++) {
        struct cursor_line *line = &lines.line[i];

        if (fr_store_dropped(job->reader, line->name, &line->dropped, &error) != 0)
            status = complain(&error);
    }
    for (size_t i = 0; i < lines.count; i++) {
        journal_print_cursor(job, &usage, &lines.line[i]);
        free(lines.line[i].name);
    }
    free(lines.line);
    return status;
}

/* ---- rewind ---------------------------------------------------------------------- */

static int move_cursor(struct job *job, const char *sink, uint64_t seq, struct fr_error *error)
{

    if (fr_store_begin(job->store, error) != 0)
        return -1;
    if (fr_store_set_cursor(job->store, sink, seq, fr_wall_ms(), error) != 0) {
        fr_store_abort(job->store);
        return -1;
    }
    return fr_store_commit(job->store, error);
}

static void rewind_print(const char *sink, const char *verb, uint64_t asked, uint64_t seq)
{
    if (seq > asked)
        printf("records before %" PRIu64 " are deleted: it is the oldest\n", seq);
    printf("sink %s %s at record %" PRIu64 "\n", sink, verb, seq);
}

static int tell_daemon(const struct job *job, const char *sink, uint64_t seq)
{
    char *request = fr_asprintf("rewind %s %" PRIu64, sink, seq);
    json_t *answer = fr_control_order("fleetroute journal", job->config->control, request);

    free(request);
    if (answer == NULL)
        return EXIT_FAILURE;
    rewind_print(sink, "goes on", seq,
                 (uint64_t)json_integer_value(json_object_get(answer, "rewound_to")));
    json_decref(answer);
    return EXIT_SUCCESS;
}

/* Move a cursor while no daemon runs. */
static int rewind_alone(struct job *job, const char *sink, uint64_t asked, struct fr_error *error)
{
    struct fr_store_usage usage;
    uint64_t at, seq = asked;
    int64_t moved;
    bool configured = false;
    int found = fr_store_cursor(job->reader, sink, &at, &moved, error);

    for (size_t i = 0; i < job->config->sink_count; i++)
        configured = configured || strcmp(job->config->sinks[i].name, sink) == 0;
    if (found < 0)
        return -1;
    if (found == 0 && !configured)
        return fr_error_set(error, "there is no sink of that name");
    if (fr_store_usage(job->store, &usage, error) != 0 ||
        fr_store_place(&usage, &seq, error) != 0 || move_cursor(job, sink, seq, error) != 0)
        return -1;
    if (found == 0)
        printf("sink %s has no place yet; it gets one\n", sink);
    rewind_print(sink, "will begin", asked, seq);
    return 0;
}

static int rewind_sink(struct job *job, const char *sink)
{
    FILE *daemon;
    struct fr_error error;
    uint64_t seq;
    bool runs;

    if (job->place == NULL) {
        fputs("fleetroute journal: rewind needs `--to PLACE`\n", stderr);
        return EXIT_FAILURE;
    }
    daemon = fr_control_ask(job->config->control, "status", &error);
    runs = daemon != NULL;
    if (runs)
        fclose(daemon);
    if (open_store(job, runs, &error) != 0 || seq_of(job, job->place, &seq, &error) != 0)
        return complain(&error);
    if (runs)
        return tell_daemon(job, sink, seq);
    return rewind_alone(job, sink, seq, &error) == 0 ? EXIT_SUCCESS : complain(&error);
}

/* ---- dump ------------------------------------------------------------------------ */

/* Records that are copied out of the journal and not printed yet. */
struct dump_chunk {
    struct fr_buffer bytes; /* for each: its number, its length, itself */
    size_t count, max;
};

struct dump_head {
    uint64_t seq;
    size_t len;
};

/* Only copies: the transaction is open, and standard output may block. */
static bool dump_copy(void *ctx, uint64_t seq, const uint8_t *bytes, size_t len)
{
    struct dump_chunk *chunk = ctx;
    struct dump_head head = {seq, len};

    if (chunk->count == chunk->max || chunk->bytes.len >= DUMP_CHUNK_BYTES)
        return false;
    fr_buffer_append(&chunk->bytes, &head, sizeof head);
    fr_buffer_append(&chunk->bytes, bytes, len);
    if (chunk->bytes.failed)
        return false;
    chunk->count++;
    return true;
}

static void dump_print_one(uint64_t seq, const uint8_t *bytes, size_t len)
{
    struct fr_buffer line = {0};
    struct fr_stored stored;
    struct fr_record *record = NULL;

    if (fr_stored_read(bytes, len, &stored) == 0)
        record = fr_stored_record(&stored);
    if (record != NULL) {
        fr_json_record(&line, record, NULL, record->resend ? FR_MARK_RESEND : 0, false);
        puts(fr_buffer_string(&line));
        fr_record_unref(record);
    } else
        fprintf(stderr, "fleetroute journal: record %" PRIu64 " is damaged\n", seq);
    fr_buffer_free(&line);
}

static void dump_print(const struct dump_chunk *chunk)
{
    const uint8_t *at = chunk->bytes.bytes;

    for (size_t i = 0; i < chunk->count; i++) {
        struct dump_head head;

        memcpy(&head, at, sizeof head);
        dump_print_one(head.seq, at + sizeof head, head.len);
        at += sizeof head + head.len;
    }
}

/* Chunk by chunk, and printed between transactions: a reader that is slow, blocked or killed
 * does not keep the daemon from using freed pages again. */
static int dump(struct job *job)
{
    struct dump_chunk chunk = {.max = DUMP_AT_A_TIME};
    struct fr_store_span span = {0};
    struct fr_store_usage usage;
    struct fr_error error;
    int n;

    if (open_store(job, true, &error) != 0 || fr_store_usage(job->store, &usage, &error) != 0 ||
        seq_of(job, job->place != NULL ? job->place : "oldest", &span.next, &error) != 0)
        return complain(&error);
    span.end = usage.next;
    do {
        fr_buffer_clear(&chunk.bytes);
        chunk.count = 0;
        if (job->count >= 0 && job->count < DUMP_AT_A_TIME)
            chunk.max = (size_t)job->count;
        n = fr_store_read(job->reader, &span, chunk.max, dump_copy, &chunk, &error);
        if (span.missing != 0)
            fprintf(stderr,
                    "fleetroute journal: %" PRIu64 " records before %" PRIu64 " are missing\n",
                    span.missing, span.next);
        if (chunk.bytes.failed)
            n = fr_error_set(&error, "out of memory");
        else
            dump_print(&chunk);
        job->count -= job->count > 0 ? (long long)chunk.count : 0;
    } while (n > 0 && !ferror(stdout));
    fr_buffer_free(&chunk.bytes);
    if (n < 0)
        return complain(&error);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "fleetroute journal: cannot write the records: %s\n", strerror(errno));
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

/* ---- command line ---------------------------------------------------------------- */

static int run(struct job *job, const char *config, int count, char **words)
{
    struct fr_diagnostics diagnostics = {0};
    int status = EXIT_FAILURE;

    job->config = fr_server_config_load(config, &diagnostics);
    if (diagnostics.errors != 0 || job->config == NULL)
        fr_diagnostics_print(&diagnostics, stderr);
    else if (!job->config->journal_on)
        fprintf(stderr, "fleetroute journal: %s says `journal: off`\n", config);
    else if (count == 1 && strcmp(words[0], "status") == 0)
        status = show_status(job);
    else if (count == 2 && strcmp(words[0], "rewind") == 0)
        status = rewind_sink(job, words[1]);
    else if (count == 1 && strcmp(words[0], "dump") == 0)
        status = dump(job);
    else if (count == 1 && strcmp(words[0], "check") == 0)
        status = fr_cmd_journal_check(job->config);
    else if (count == 1 && strcmp(words[0], "salvage") == 0)
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
    struct job job = {.count = -1};
    char *end;
    int option;

    while ((option = getopt_long(argc, argv, "c:n:h", longs, NULL)) != -1) {
        switch (option) {
        case 'c':
            config = optarg;
            break;
        case 't':
            job.place = optarg;
            break;
        case 'n':
            errno = 0;
            job.count = strtoll(optarg, &end, 10);
            if (!isdigit((unsigned char)optarg[0]) || *end != '\0' || errno != 0) {
                fprintf(stderr, "fleetroute journal: --count %s: give a number\n", optarg);
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
    return run(&job, config, argc - optind, argv + optind);
}
