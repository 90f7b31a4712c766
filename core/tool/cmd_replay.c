/* fleetroute replay: sends records from files to a running daemon, which stores them in its
 * journal. */
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
#include "sink/dead_letter_file.h"
#include "source/json_line.h"
#include "tool/commands.h"
#include "tool/control_client.h"
#include "util/clock.h"
#include "util/memory.h"

#define MESSAGE_MAX (70u << 20) /* bytes of a line or message */

static const char help[] =
    "usage: fleetroute replay [-s SOCKET] [--speed FACTOR] [--as-new] FILE...\n"
    "Sends records from files to the daemon, which handles them like records of vehicles.\n"
    "A file has JSON lines as written by file.so, `fleetroute tail --json` and `journal dump`,\n"
    "Tesla's JSON, dead letters, or length-delimited protobuf of vehicle data. It may be\n"
    "compressed with gzip. `-` is standard input.\n"
    "The records are marked as resent, so that they do not trigger automations.\n"
    "\n"
    "  -s, --socket PATH   the daemon's control socket (" FR_CONTROL_PATH ")\n"
    "      --speed FACTOR  1: send with the intervals in which the records were received;\n"
    "                      10: ten times as fast; default: as fast as the daemon accepts them\n"
    "      --as-new        do not mark the records as resent: they trigger automations\n"
    "  -h, --help          print this help and exit\n";

struct replay {
    FILE *stream;    /* the control connection */
    double speed;    /* factor; 0: as fast as possible */
    bool incomplete; /* a file could not be read to its end */
    bool as_new;
    int64_t first_ms;                /* receipt of the first record; 0: none sent yet */
    int64_t begun_ms;                /* monotonic time at which the first record was sent */
    uint64_t sent, stored, rejected; /* counts; the daemon reports stored and rejected records */
    uint64_t skipped;                /* records that were not sent */
    const char *file;
    uint64_t number; /* of the line or message in the file, from 1 */
};

/* ---- replies of the daemon ------------------------------------------------------ */

/* Read one line with the counts of the daemon. -1: the connection ended, or the daemon reported an
 * error; it was printed. */
static int replay_read_reply(struct replay *r)
{
    char line[512];
    json_error_t problem;
    json_t *reply;
    const char *error;

    if (fgets(line, sizeof line, r->stream) == NULL) {
        fputs("fleetroute replay: the daemon closed the connection\n", stderr);
        return -1;
    }
    reply = json_loads(line, 0, &problem);
    error = json_string_value(json_object_get(reply, "error"));
    if (error != NULL || reply == NULL)
        fprintf(stderr, "fleetroute replay: %s\n", error != NULL ? error : problem.text);
    else {
        r->stored = (uint64_t)json_integer_value(json_object_get(reply, "stored"));
        r->rejected = (uint64_t)json_integer_value(json_object_get(reply, "skipped"));
    }
    json_decref(reply);
    return error != NULL ? -1 : 0;
}

static bool replay_reply_is_ready(const struct replay *r)
{
    struct pollfd p = {fileno(r->stream), POLLIN, 0};

    return poll(&p, 1, 0) > 0;
}

/* ---- sending --------------------------------------------------------------------- */

/* Sleep until the record that was received at `ms` is due. */
static void replay_wait_until_due(struct replay *r, int64_t ms)
{
    int64_t due, pause;

    if (r->speed <= 0 || ms == 0)
        return;
    if (r->first_ms == 0) {
        r->first_ms = ms;
        r->begun_ms = fr_monotonic_ms();
    }
    due = r->begun_ms + (int64_t)((double)(ms - r->first_ms) / r->speed);
    pause = due - fr_monotonic_ms();
    if (pause > 0)
        nanosleep(&(struct timespec){pause / 1000, pause % 1000 * 1000000}, NULL);
}

/* Send a frame: the length of the stored record in 4 bytes, little-endian, and the stored record.
 * */
static int replay_send_record(struct replay *r, const struct fr_record *record)
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
        return replay_read_reply(r); /* the daemon may have sent an error */
    r->sent++;
    while (status == 0 && replay_reply_is_ready(r))
        status = replay_read_reply(r);
    return status;
}

static int replay_send_line(struct replay *r, struct fr_json_line *line)
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
    replay_wait_until_due(r,
                          line->received_ms != 0 ? line->received_ms : line->created_ns / 1000000);
    status = replay_send_record(r, record);
    fr_record_unref(record);
    return status;
}

/* ---- files ----------------------------------------------------------------------- */

static void replay_skip(struct replay *r, const char *why)
{
    r->skipped++;
    fprintf(stderr, "%s:%llu: skipped: %s\n", r->file, (unsigned long long)r->number, why);
}

/* Read one line including its newline. False: the end of the file, or a line of more than
 * MESSAGE_MAX bytes. */
static bool replay_read_line(gzFile file, struct fr_buffer *line)
{
    fr_buffer_clear(line);
    for (;;) {
        uint8_t *to = fr_buffer_reserve(line, 65536);

        if (to == NULL || line->len > MESSAGE_MAX || gzgets(file, (char *)to, 65536) == NULL)
            return line->len != 0;
        line->len += strlen((char *)to);
        if (line->bytes[line->len - 1] == '\n')
            return true;
    }
}

static int replay_send_json(struct replay *r, gzFile file)
{
    struct fr_buffer text = {0};
    int status = 0;

    while (status == 0 && replay_read_line(file, &text)) {
        struct fr_json_line line;
        struct fr_error error;
        enum fr_json_line_kind kind;

        r->number++;
        if (fr_dead_letter_is_dropped((const char *)text.bytes, text.len))
            continue;
        kind = fr_json_line_read((const char *)text.bytes, text.len, &line, &error);
        if (kind == FR_JSON_LINE_ERROR)
            replay_skip(r, error.text);
        else if (kind == FR_JSON_LINE_OTHER)
            replay_skip(r, "the line is not a complete record");
        else
            status = replay_send_line(r, &line);
        fr_buffer_free(&line.payload);
    }
    fr_buffer_free(&text);
    return status;
}

/* Read the length of the next message, a varint. -1: the end of the file, or not a length. */
static int64_t replay_read_length(gzFile file)
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

static int replay_send_protobuf(struct replay *r, gzFile file)
{
    int64_t length;
    int status = 0;

    while (status == 0 && (length = replay_read_length(file)) >= 0 && length < MESSAGE_MAX) {
        struct fr_json_line line = {.topic = "V"};
        struct fr_payload_info info;
        uint8_t *to = fr_buffer_reserve(&line.payload, (size_t)length + 2);

        r->number++;
        if (to == NULL || gzread(file, to, (unsigned)length) != (int)length) {
            replay_skip(r, "the file ends in the middle of a message");
            r->incomplete = true;
            status = 1;
        } else if (line.payload.len = (size_t)length,
                   fr_payload_inspect(to, (size_t)length, &info) != 0 || info.vin_len == 0 ||
                       info.vin_len > FR_VIN_MAX)
            replay_skip(r, "the message is not vehicle data with a VIN");
        else {
            memcpy(line.vin, info.vin, info.vin_len);
            line.created_ns = info.created_ns;
            status = replay_send_line(r, &line);
        }
        fr_buffer_free(&line.payload);
    }
    return status < 0 ? -1 : 0;
}

/* Report a read error. zlib reports a damaged or truncated file, a folder and a failing disk like
 * the end of a file. */
static void replay_check_end(struct replay *r, gzFile file)
{
    int code;
    const char *why = gzerror(file, &code);

    if (code == Z_OK || code == Z_STREAM_END)
        return;
    fprintf(stderr,
            "fleetroute replay: %s cannot be read to its end: %s; the records before were sent\n",
            r->file, code == Z_ERRNO ? strerror(errno) : why);
    r->incomplete = true;
}

static int replay_send_file(struct replay *r, const char *name)
{
    gzFile file = strcmp(name, "-") == 0 ? gzdopen(dup(STDIN_FILENO), "r") : gzopen(name, "r");
    int first, status = 0;

    r->file = name;
    r->number = 0;
    if (file == NULL) {
        fprintf(stderr, "fleetroute replay: %s: %s\n", name, strerror(errno));
        return -1;
    }
    first = gzgetc(file);
    if (first >= 0) {
        gzungetc(first, file);
        status = first == '{' ? replay_send_json(r, file) : replay_send_protobuf(r, file);
    }
    replay_check_end(r, file);
    gzclose(file);
    return status;
}

static int replay_send_all(struct replay *r, int count, char **names)
{
    int status = 0;

    for (int i = 0; i < count && status == 0; i++)
        status = replay_send_file(r, names[i]);
    while (status == 0 && r->stored + r->rejected < r->sent)
        status = replay_read_reply(r);
    printf("%llu sent, %llu stored, %llu skipped\n", (unsigned long long)r->sent,
           (unsigned long long)r->stored, (unsigned long long)(r->rejected + r->skipped));
    return r->incomplete ? -1 : status;
}

static int replay_read_speed(const char *text, double *speed)
{
    char *end;

    *speed = strtod(text, &end);
    if (end != text && *end == '\0' && isfinite(*speed) && *speed >= 0)
        return 0;
    fprintf(stderr, "fleetroute replay: --speed must be a number such as 1 or 10, not \"%s\"\n",
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
        fputs("fleetroute replay: at least one file is required; `-` is standard input\n", stderr);
        return EXIT_FAILURE;
    }
    r.stream = fr_control_request(path, "replay", &error);
    if (r.stream == NULL) {
        fprintf(stderr, "fleetroute replay: %s\n", error.text);
        return EXIT_FAILURE;
    }
    status = replay_send_all(&r, argc - optind, argv + optind);
    fclose(r.stream);
    return status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
