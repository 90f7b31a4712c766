/* fleetroute replay: records from files into a running daemon's journal. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "journal/stored_record.h"
#include "record/payload.h"
#include "source/json_payload.h"
#include "tool/commands.h"
#include "tool/control_client.h"
#include "util/clock.h"
#include "util/memory.h"

#define LINE_MOST (70u << 20)

static const char help[] =
    "usage: fleetroute replay [-s SOCKET] [--speed FACTOR] [--as-new] FILE...\n"
    "Sends records from files to the daemon as if vehicles had sent them: JSON lines as file.so,\n"
    "`fleetroute tail --json` and `journal dump` write them, Tesla's JSON, dead letters, or\n"
    "length-delimited protobuf of vehicle data; gzipped or not; `-` is standard input.\n"
    "They are marked as resent, so that no automation takes them for news.\n"
    "\n"
    "  -s, --socket PATH   the daemon's control socket (" FR_CONTROL_PATH ")\n"
    "      --speed FACTOR  1: as far apart as they were received; 10: ten times as fast;\n"
    "                      without it: as fast as they are taken\n"
    "      --as-new        without the mark: automations fire\n"
    "  -h, --help          show this\n";

struct replay {
    FILE *stream;    /* to and from the daemon */
    double speed;    /* 0: as fast as possible */
    bool incomplete; /* a file could not be read to its end */
    bool as_new;
    int64_t first_ms, began_ms; /* of the records; monotonic */
    uint64_t sent, stored, left_out, skipped;
    const char *file;
    uint64_t place; /* line or message in the file */
};

/* ---- the daemon's answers -------------------------------------------------------- */

/* Read one line of answer. -1: the daemon ended, or complained. */
static int read_answer(struct replay *r)
{
    char line[512];
    json_error_t problem;
    json_t *answer;
    const char *error;

    if (fgets(line, sizeof line, r->stream) == NULL) {
        fputs("fleetroute replay: the daemon hung up\n", stderr);
        return -1;
    }
    answer = json_loads(line, 0, &problem);
    error = json_string_value(json_object_get(answer, "error"));
    if (error != NULL || answer == NULL)
        fprintf(stderr, "fleetroute replay: %s\n", error != NULL ? error : problem.text);
    else {
        r->stored = (uint64_t)json_integer_value(json_object_get(answer, "stored"));
        r->left_out = (uint64_t)json_integer_value(json_object_get(answer, "left_out"));
    }
    json_decref(answer);
    return error != NULL ? -1 : 0;
}

static bool answer_is_there(const struct replay *r)
{
    struct pollfd p = {fileno(r->stream), POLLIN, 0};

    return poll(&p, 1, 0) > 0;
}

/* ---- sending --------------------------------------------------------------------- */

static void wait_for_time(struct replay *r, int64_t ms)
{
    int64_t due, pause;

    if (r->speed <= 0 || ms == 0)
        return;
    if (r->first_ms == 0) {
        r->first_ms = ms;
        r->began_ms = fr_monotonic_ms();
    }
    due = r->began_ms + (int64_t)((double)(ms - r->first_ms) / r->speed);
    pause = due - fr_monotonic_ms();
    if (pause > 0)
        nanosleep(&(struct timespec){pause / 1000, pause % 1000 * 1000000}, NULL);
}

static int send_record(struct replay *r, const struct fr_record *record)
{
    size_t len = fr_stored_size(record);
    uint8_t *frame = fr_calloc(1, len + 4);
    int fd = fileno(r->stream), status = 0;

    for (int i = 0; i < 4; i++)
        frame[i] = (uint8_t)(len >> 8 * i);
    fr_stored_write(record, 0, frame + 4);
    for (size_t done = 0; done < len + 4 && status == 0;) {
        ssize_t n = write(fd, frame + done, len + 4 - done);

        if (n > 0)
            done += (size_t)n;
        else if (errno != EINTR)
            status = -1;
    }
    free(frame);
    if (status != 0)
        return read_answer(r); /* it may have said why */
    r->sent++;
    while (status == 0 && answer_is_there(r))
        status = read_answer(r);
    return status;
}

static int send_line(struct replay *r, struct fr_json_line *line)
{
    static const uint8_t resent[] = {4 << 3, 1}; /* Payload.is_resend */
    struct fr_record_source source = {
        .vin = line->vin,
        .topic = (const uint8_t *)line->topic,
        .topic_len = strlen(line->topic),
        .txid = (const uint8_t *)line->txid,
        .txid_len = strlen(line->txid),
        .client_version = "",
        .received_ms = line->received_ms,
    };
    struct fr_record *record;
    int status;

    if (!r->as_new && strcmp(line->topic, "V") == 0)
        fr_buffer_append(&line->payload, resent, sizeof resent);
    source.payload = line->payload.bytes;
    source.payload_len = line->payload.len;
    record = fr_record_known(&source, line->created_ns, !r->as_new);
    if (record == NULL)
        return -1;
    wait_for_time(r, line->received_ms != 0 ? line->received_ms : line->created_ns / 1000000);
    status = send_record(r, record);
    fr_record_unref(record);
    return status;
}

/* ---- files ----------------------------------------------------------------------- */

static void skip(struct replay *r, const char *why)
{
    r->skipped++;
    fprintf(stderr, "%s:%llu: left out: %s\n", r->file, (unsigned long long)r->place, why);
}

/* Append up to and with the next newline; false at the end. */
static bool read_line(gzFile file, struct fr_buffer *line)
{
    fr_buffer_clear(line);
    for (;;) {
        uint8_t *to = fr_buffer_reserve(line, 65536);

        if (to == NULL || line->len > LINE_MOST || gzgets(file, (char *)to, 65536) == NULL)
            return line->len != 0;
        line->len += strlen((char *)to);
        if (line->bytes[line->len - 1] == '\n')
            return true;
    }
}

static int send_json(struct replay *r, gzFile file)
{
    struct fr_buffer text = {0};
    int status = 0;

    while (status == 0 && read_line(file, &text)) {
        struct fr_json_line line;
        struct fr_error error;
        int kind;

        r->place++;
        kind = fr_json_line_read((const char *)text.bytes, text.len, &line, &error);
        if (kind < 0)
            skip(r, error.text);
        else if (kind > 0)
            skip(r, "it is no whole record");
        else
            status = send_line(r, &line);
        fr_buffer_free(&line.payload);
    }
    fr_buffer_free(&text);
    return status;
}

/* A message's length, a varint. -1: the end, or none. */
static int64_t read_length(gzFile file)
{
    int64_t length = 0;

    for (int shift = 0; shift < 35; shift += 7) {
        int byte = gzgetc(file);

        if (byte < 0)
            return -1;
        length |= (int64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return length;
    }
    return -1;
}

static int send_protobuf(struct replay *r, gzFile file)
{
    int64_t length;
    int status = 0;

    while (status == 0 && (length = read_length(file)) >= 0 && length < LINE_MOST) {
        struct fr_json_line line = {.topic = "V"};
        struct fr_payload_info info;
        uint8_t *to = fr_buffer_reserve(&line.payload, (size_t)length + 2);

        r->place++;
        if (to == NULL || gzread(file, to, (unsigned)length) != (int)length) {
            skip(r, "the file ends in the middle of a message");
            r->incomplete = true;
            status = 1;
        } else if (line.payload.len = (size_t)length,
                   fr_payload_inspect(to, (size_t)length, &info) != 0 || info.vin_len == 0 ||
                       info.vin_len > FR_VIN_MAX)
            skip(r, "it is no vehicle data with a VIN");
        else {
            memcpy(line.vin, info.vin, info.vin_len);
            line.created_ns = info.created_ns;
            status = send_line(r, &line);
        }
        fr_buffer_free(&line.payload);
    }
    return status < 0 ? -1 : 0;
}

/* A damaged or cut file, a folder and a failing disk look like the end of a file at first. */
static void replay_check_end(struct replay *r, gzFile file)
{
    int code;
    const char *why = gzerror(file, &code);

    if (code == Z_OK || code == Z_STREAM_END)
        return;
    fprintf(stderr,
            "fleetroute replay: %s cannot be read to its end: %s; what came before was sent\n",
            r->file, code == Z_ERRNO ? strerror(errno) : why);
    r->incomplete = true;
}

static int send_file(struct replay *r, const char *name)
{
    gzFile file = strcmp(name, "-") == 0 ? gzdopen(dup(STDIN_FILENO), "r") : gzopen(name, "r");
    int first, status = 0;

    r->file = name;
    r->place = 0;
    if (file == NULL) {
        fprintf(stderr, "fleetroute replay: %s: %s\n", name, strerror(errno));
        return -1;
    }
    first = gzgetc(file);
    if (first >= 0) {
        gzungetc(first, file);
        status = first == '{' ? send_json(r, file) : send_protobuf(r, file);
    }
    replay_check_end(r, file);
    gzclose(file);
    return status;
}

static int send_all(struct replay *r, int count, char **names)
{
    int status = 0;

    for (int i = 0; i < count && status == 0; i++)
        status = send_file(r, names[i]);
    while (status == 0 && r->stored + r->left_out < r->sent)
        status = read_answer(r);
    printf("%llu sent, %llu stored, %llu left out\n", (unsigned long long)r->sent,
           (unsigned long long)r->stored, (unsigned long long)(r->left_out + r->skipped));
    return r->incomplete ? -1 : status;
}

static int replay_read_speed(const char *text, double *speed)
{
    char *end;

    *speed = strtod(text, &end);
    if (end != text && *end == '\0' && isfinite(*speed) && *speed >= 0)
        return 0;
    fprintf(stderr, "fleetroute replay: --speed wants a number such as 1 or 10, not \"%s\"\n",
            text);
    return -1;
}

int fr_cmd_replay(int argc, char **argv)
{
    static const struct option longs[] = {
        {"socket", required_argument, NULL, 's'},
        {"speed", required_argument, NULL, 'f'},
        {"as-new", no_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *path = FR_CONTROL_PATH;
    struct replay r = {0};
    struct fr_error error;
    int option, status;

    while ((option = getopt_long(argc, argv, "s:h", longs, NULL)) != -1) {
        switch (option) {
        case 's':
            path = optarg;
            break;
        case 'f':
            if (replay_read_speed(optarg, &r.speed) != 0)
                return EXIT_FAILURE;
            break;
        case 'n':
            r.as_new = true;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_SUCCESS;
        default:
            return EXIT_FAILURE;
        }
    }
    if (optind == argc) {
        fputs("fleetroute replay: which files? `-` is standard input.\n", stderr);
        return EXIT_FAILURE;
    }
    r.stream = fr_control_ask(path, "replay", &error);
    if (r.stream == NULL) {
        fprintf(stderr, "fleetroute replay: %s\n", error.text);
        return EXIT_FAILURE;
    }
    status = send_all(&r, argc - optind, argv + optind);
    fclose(r.stream);
    return status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
