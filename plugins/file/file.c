/*
 * file.so - records and values to files: JSON lines, or length-delimited protobuf.
 *
 * A delivery is reported done when its bytes are as safe as the `fsync` option promises. What
 * a full disk lets in by half is taken out again, so a retry neither doubles nor cuts a line.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fleetroute/plugin.h"
#include "path_pattern.h"
#include "rotated.h"
#include "tail_repair.h"

#define OPEN_MOST 64 /* files kept open; the one unused longest is closed for another */
#define PATH_SIZE 1024

enum fsync_policy { FSYNC_BATCH, FSYNC_INTERVAL, FSYNC_NEVER };

struct out {
    char path[PATH_SIZE];
    int fd;
    bool binary; /* length-delimited protobuf, not lines */
    off_t size;
    int64_t opened_ms;
    uint64_t used; /* the instance's clock of uses */
    bool unsynced;
    char *bytes; /* of the present batch, not yet written */
    size_t len, room;
    struct fr_delivery *first, *last;           /* whose bytes they are, by plugin_data */
    struct fr_delivery *written, *written_last; /* written, waiting for fsync */
};

struct instance {
    struct fr_sink *sink;
    const struct fr_host *host;
    struct out *out[OPEN_MOST];
    size_t count;
    uint64_t uses;
    enum fsync_policy fsync;
    int64_t rotate_size, rotate_every_ms;
    const char *pattern;
    struct event *timer;
    struct fr_rotated *rotated;
    bool failing;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- answers --------------------------------------------------------------------- */

static void answer(struct instance *i, struct fr_delivery *first, enum fr_outcome outcome)
{
    while (first != NULL) {
        struct fr_delivery *next = first->plugin_data;

        first->plugin_data = NULL;
        i->host->done(i->sink, first, outcome);
        first = next;
    }
}

static void fail(struct instance *i, const char *what, const char *path)
{
    i->failing = true;
    i->host->health(i->sink, FR_HEALTH_DOWN, "cannot %s %s: %s%s", what, path, strerror(errno),
                    errno == ENOSPC || errno == EDQUOT ? " (free some space; nothing is lost yet)"
                    : errno == EACCES ? " (the daemon's user must be able to write there)"
                                      : "");
}

/* ---- files ----------------------------------------------------------------------- */

static int make_parents(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        int status;

        *slash = '\0';
        status = mkdir(path, 0750);
        *slash = '/';
        if (status != 0 && errno != EEXIST)
            return -1;
    }
    return 0;
}

/* Write what is put together; on failure the file is as it was before. */
static int write_all(struct out *out)
{
    size_t done = 0;

    while (done < out->len) {
        ssize_t n = write(out->fd, out->bytes + done, out->len - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int saved = errno;

            /* If even that fails the next open mends the file's end. */
            if (ftruncate(out->fd, out->size) != 0)
                out->size = -1;
            errno = saved;
            return -1;
        }
        done += (size_t)n;
    }
    out->size += (off_t)out->len;
    return 0;
}

static void close_out(struct out *out)
{
    if (out->fd >= 0)
        close(out->fd);
    out->fd = -1;
}

static int sync_out(struct instance *i, struct out *out)
{
    struct fr_delivery *first = out->written;

    if (out->unsynced && fdatasync(out->fd) != 0) {
        fail(i, "flush", out->path);
        /* What the kernel could not write it may have dropped: write it again. */
        close_out(out);
        out->written = out->written_last = NULL;
        out->unsynced = false;
        answer(i, first, FR_RETRY);
        return -1;
    }
    out->unsynced = false;
    out->written = out->written_last = NULL;
    answer(i, first, FR_DONE);
    return 0;
}

static int open_out(struct instance *i, struct out *out)
{
    struct stat st;

    if (make_parents(out->path) != 0)
        return -1;
    out->fd = open(out->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (out->fd < 0)
        return -1;
    if (fr_tail_repair(out->fd, out->binary) > 0)
        i->host->log(i->sink, FR_LOG_NOTICE, "%s ended in the middle of a record; mended",
                     out->path);
    if (fstat(out->fd, &st) != 0) {
        close_out(out);
        return -1;
    }
    out->size = st.st_size;
    out->opened_ms = now_ms();
    return 0;
}

static void free_out(struct out *out)
{
    close_out(out);
    free(out->bytes);
    free(out);
}

/* Find the file of a path, or make place for it. */
static struct out *find_out(struct instance *i, const char *path, bool binary)
{
    struct out *out;
    size_t oldest = 0;

    for (size_t k = 0; k < i->count; k++) {
        if (strcmp(i->out[k]->path, path) == 0)
            return i->out[k];
        if (i->out[k]->used < i->out[oldest]->used)
            oldest = k;
    }
    if (i->count == OPEN_MOST) {
        out = i->out[oldest];
        if (out->len != 0) /* it is part of the present batch */
            return NULL;
        sync_out(i, out);
        free_out(out);
        i->out[oldest] = i->out[--i->count];
    }
    out = calloc(1, sizeof *out);
    if (out == NULL)
        return NULL;
    snprintf(out->path, sizeof out->path, "%s", path);
    out->fd = -1;
    out->binary = binary;
    i->out[i->count++] = out;
    return out;
}

static void rotate_if_due(struct instance *i, struct out *out)
{
    bool large = i->rotate_size > 0 && out->size >= i->rotate_size;
    bool old = i->rotate_every_ms > 0 && now_ms() - out->opened_ms >= i->rotate_every_ms;

    if (out->fd < 0 || out->size <= 0 || (!large && !old) || sync_out(i, out) != 0)
        return;
    close_out(out);
    if (fr_rotated_add(i->rotated, out->path) != 0)
        fail(i, "rotate", out->path);
}

/* ---- a batch --------------------------------------------------------------------- */

static bool append(struct out *out, const void *bytes, size_t len)
{
    if (out->room - out->len < len) {
        size_t room = (out->len + len) * 2;
        char *grown = realloc(out->bytes, room);

        if (grown == NULL)
            return false;
        out->bytes = grown;
        out->room = room;
    }
    memcpy(out->bytes + out->len, bytes, len);
    out->len += len;
    return true;
}

static bool append_binary(struct out *out, const struct fr_delivery *d)
{
    uint8_t head[10];
    size_t n = 0, left = d->len;

    for (; left >= 0x80; left >>= 7)
        head[n++] = (uint8_t)(left | 0x80);
    head[n++] = (uint8_t)left;
    return append(out, head, n) && append(out, d->bytes, d->len);
}

static bool append_line(struct instance *i, struct out *out, const struct fr_delivery *d)
{
    size_t len;
    const char *text;

    if (d->kind == FR_DELIVERY_RECORD)
        return append(out, d->bytes, d->len) && append(out, "\n", 1);
    text = i->host->json(i->sink, d, &len);
    return append(out, text, len) && append(out, "\n", 1);
}

/* Put a delivery's bytes to those of its file. */
static void gather(struct instance *i, struct fr_delivery *d)
{
    bool binary = d->kind == FR_DELIVERY_RECORD && d->format == FR_FORMAT_PROTOBUF;
    char path[PATH_SIZE];
    struct out *out;

    d->plugin_data = NULL;
    if (!fr_pattern_expand(i->pattern, d, d->received_ms, path, sizeof path)) {
        i->host->done(i->sink, d, FR_REFUSED);
        return;
    }
    out = find_out(i, path, binary);
    if (out == NULL) {
        i->host->done(i->sink, d, FR_RETRY);
        return;
    }
    if (out->binary != binary) {
        i->host->log(i->sink, FR_LOG_ERROR,
                     "%s would hold both JSON and protobuf; put %%{type} in `path:` or give the "
                     "routes one format",
                     path);
        i->host->done(i->sink, d, FR_REFUSED);
        return;
    }
    out->used = ++i->uses;
    if (!(binary ? append_binary(out, d) : append_line(i, out, d))) {
        i->host->done(i->sink, d, FR_RETRY);
        return;
    }
    if (out->first == NULL)
        out->first = d;
    else
        out->last->plugin_data = d;
    out->last = d;
}

static void write_out(struct instance *i, struct out *out)
{
    struct fr_delivery *first = out->first;
    const char *what = out->fd < 0 ? "open" : "write";
    bool good = (out->fd >= 0 || open_out(i, out) == 0) && write_all(out) == 0;

    out->len = 0;
    if (!good) {
        fail(i, what, out->path);
        if (out->size < 0)
            close_out(out);
        out->first = out->last = NULL;
        answer(i, first, FR_RETRY);
        return;
    }
    out->unsynced = true;
    if (i->fsync == FSYNC_NEVER) {
        out->first = out->last = NULL;
        answer(i, first, FR_DONE);
        return;
    }
    if (out->written == NULL)
        out->written = first;
    else
        out->written_last->plugin_data = first;
    out->written_last = out->last;
    out->first = out->last = NULL;
    if (i->fsync == FSYNC_BATCH)
        sync_out(i, out);
}

static void deliver(void *state, struct fr_delivery *const *batch, size_t count)
{
    struct instance *i = state;

    i->failing = false;
    for (size_t k = 0; k < count; k++)
        gather(i, batch[k]);
    for (size_t k = 0; k < i->count; k++) {
        if (i->out[k]->len != 0)
            write_out(i, i->out[k]);
        rotate_if_due(i, i->out[k]);
    }
    if (!i->failing)
        i->host->health(i->sink, FR_HEALTH_UP, "writing");
}

static void sync_all(struct instance *i)
{
    for (size_t k = 0; k < i->count; k++) {
        sync_out(i, i->out[k]);
        rotate_if_due(i, i->out[k]);
    }
}

static void timer_due(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    sync_all(ctx);
}

static void flush(void *state)
{
    sync_all(state);
}

/* ---- life ------------------------------------------------------------------------ */

static void check(struct fr_sink *sink, const struct fr_host *host)
{
    const char *path = host->text(sink, "path");
    const char *mistake = path != NULL ? fr_pattern_mistake(path) : NULL;

    if (mistake != NULL)
        host->wrong(sink, "path", NULL, "path: %s", mistake);
}

static void close_instance(void *state)
{
    struct instance *i = state;

    for (size_t k = 0; k < i->count; k++) {
        sync_out(i, i->out[k]);
        free_out(i->out[k]);
    }
    fr_rotated_free(i->rotated);
    if (i->timer != NULL)
        event_free(i->timer);
    free(i);
}

static void *open_instance(struct fr_sink *sink, const struct fr_host *host)
{
    struct instance *i = calloc(1, sizeof *i);
    int64_t interval = host->number(sink, "fsync_interval");
    struct timeval pause = {interval / 1000, interval % 1000 * 1000};

    if (i == NULL)
        return NULL;
    i->sink = sink;
    i->host = host;
    i->pattern = host->text(sink, "path");
    i->fsync = (enum fsync_policy)host->number(sink, "fsync");
    i->rotate_size = host->number(sink, "rotate_size");
    i->rotate_every_ms = host->number(sink, "rotate_every");
    i->rotated = fr_rotated_new(sink, host);
    i->timer = event_new(host->event_base(sink), -1, EV_PERSIST, timer_due, i);
    if (i->rotated == NULL || i->timer == NULL || event_add(i->timer, &pause) != 0) {
        close_instance(i);
        return NULL;
    }
    return i;
}

static const struct fr_option options[] = {
    {"path", FR_OPTION_PATH, NULL, true, NULL,
     "where to write; %Y %m %d %H, %{vin}, %{name} and %{type} are filled in"},
    {"rotate_size", FR_OPTION_SIZE, "100 MB", false, NULL,
     "begin a new file at this size; 0: never"},
    {"rotate_every", FR_OPTION_DURATION, "0", false, NULL, "begin a new file after this; 0: never"},
    {"compress", FR_OPTION_CHOICE, "gzip", false, "none|gzip|zstd",
     "what to do with a rotated file"},
    {"keep", FR_OPTION_INTEGER, "0", false, NULL, "rotated files to keep for each path; 0: all"},
    {"fsync", FR_OPTION_CHOICE, "batch", false, "batch|interval|never",
     "when a record counts as delivered: synced with its batch, synced by the timer, written"},
    {"fsync_interval", FR_OPTION_DURATION, "1 s", false, NULL, "the timer of fsync: interval"},
    {0},
};

extern const struct fr_plugin fleetroute_plugin;

const struct fr_plugin fleetroute_plugin = {
    .abi = FLEETROUTE_PLUGIN_ABI,
    .name = "file",
    .version = PACKAGE_VERSION,
    .summary = "JSON lines or length-delimited protobuf in files",
    .options = options,
    .format = FR_FORMAT_JSON,
    .check = check,
    .open = open_instance,
    .deliver = deliver,
    .flush = flush,
    .close = close_instance,
};
