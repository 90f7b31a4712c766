/*
 * file.so - records and values to files: JSON lines, or length-delimited protobuf.
 *
 * A delivery is reported done when its bytes are as safe as the `fsync` option promises. What
 * a full disk lets in by half is taken out again, so a retry neither doubles nor cuts a line.
 */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "files.h"
#include "clock_ms.h"
#include "fleetroute/plugin.h"
#include "path_pattern.h"
#include "type_limit.h"

#define PATH_SIZE 1024
#define SYNC_INTERVAL_MIN_MS 1 /* a periodic timer of 0 would fire once */
#define OPEN_MAX 256           /* files open at a time */
#define DESCRIPTORS_SHARE 16   /* of the process's descriptors one sink takes this part at most */
#define OTHER_LOG_MS 60000
#define LOOK_AFTER_S 1

struct instance {
    struct fr_files files;
    struct fr_type_limit types;
    bool has_type;      /* the path has %{type} */
    uint64_t others;    /* records whose type became "other" */
    int64_t other_told; /* monotonic, ms: when that was last logged; 0: never */
    struct event *sync_timer, *look_timer;
};

/* ---- a batch --------------------------------------------------------------------- */

static void tell_of_others(struct instance *i, const struct fr_delivery *d)
{
    int64_t ms = fr_clock_monotonic_ms();

    i->others++;
    if (i->other_told != 0 && ms - i->other_told < OTHER_LOG_MS)
        return;
    i->other_told = ms;
    i->files.host->log(
        i->files.sink, FR_LOG_WARNING,
        "%s sends more record types than get a file of their own (%d for a vehicle, %d in all): "
        "%llu records so far went to files of the type `other`; name the types you want in routes, "
        "and leave the others out",
        d->vin, FR_TYPES_PER_VEHICLE, FR_TYPES_MAX, (unsigned long long)i->others);
}

/* The path of a delivery. False: it does not fit. */
static bool path_of(struct instance *i, const struct fr_delivery *d, char path[PATH_SIZE])
{
    struct fr_delivery shown = *d;

    if (i->has_type && d->kind == FR_DELIVERY_RECORD) {
        shown.record_type = fr_type_in_path(&i->types, d->vin, d->record_type);
        if (strcmp(shown.record_type, d->record_type) != 0)
            tell_of_others(i, d);
    }
    return fr_pattern_expand(i->files.pattern, &shown, d->received_ms, path, PATH_SIZE);
}

static void gather(struct instance *i, struct fr_delivery *d)
{
    bool record = d->kind == FR_DELIVERY_RECORD;
    const void *bytes = d->bytes;
    size_t len = d->len;
    char path[PATH_SIZE];

    d->plugin_data = NULL;
    if (!path_of(i, d, path)) {
        i->files.host->fail(i->files.sink, d, FR_REFUSED,
                            "the path for %s and %s is longer than %d bytes; make `path:` shorter",
                            d->vin, d->record_type, PATH_SIZE - 1);
        return;
    }
    if (!record)
        bytes = i->files.host->json(i->files.sink, d, &len);
    fr_files_gather(&i->files, path, record && d->format == FR_FORMAT_PROTOBUF, bytes, len, d);
}

static void deliver(void *state, struct fr_delivery *const *batch, size_t count)
{
    struct instance *i = state;

    fr_files_begin(&i->files);
    for (size_t k = 0; k < count; k++)
        gather(i, batch[k]);
    fr_files_write(&i->files);
    if (!i->files.down && !i->files.degraded)
        i->files.host->health(i->files.sink, FR_HEALTH_UP, "writing");
}

static void sync_due(evutil_socket_t fd, short what, void *ctx)
{
    struct instance *i = ctx;

    (void)fd, (void)what;
    fr_files_sync(&i->files);
}

static void look_due(evutil_socket_t fd, short what, void *ctx)
{
    struct instance *i = ctx;

    (void)fd, (void)what;
    fr_files_look_after(&i->files);
}

static void flush(void *state)
{
    struct instance *i = state;

    fr_files_look_after(&i->files);
    fr_files_sync(&i->files);
}

/* ---- life ------------------------------------------------------------------------ */

static void check(struct fr_sink *sink, const struct fr_host *host)
{
    const char *path = host->text(sink, "path");
    const char *mistake = path != NULL ? fr_pattern_mistake(path) : NULL;

    if (mistake != NULL)
        host->wrong(sink, "path", NULL, "path: %s", mistake);
    if (host->number(sink, "fsync_interval") < SYNC_INTERVAL_MIN_MS)
        host->wrong(sink, "fsync_interval", NULL,
                    "fsync_interval must be at least %d ms; to sync each batch, set `fsync: batch`",
                    SYNC_INTERVAL_MIN_MS);
}

static void close_instance(void *state)
{
    struct instance *i = state;

    fr_files_end(&i->files);
    fr_rotated_free(i->files.rotated);
    fr_type_limit_free(&i->types);
    if (i->sync_timer != NULL)
        event_free(i->sync_timer);
    if (i->look_timer != NULL)
        event_free(i->look_timer);
    free(i);
}

static size_t open_max(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= OPEN_MAX * DESCRIPTORS_SHARE)
        return OPEN_MAX;
    return limit.rlim_cur > DESCRIPTORS_SHARE ? (size_t)limit.rlim_cur / DESCRIPTORS_SHARE : 1;
}

static bool begin_timers(struct instance *i, int64_t sync_ms)
{
    struct event_base *base = i->files.host->event_base(i->files.sink);
    const struct timeval sync = {sync_ms / 1000, sync_ms % 1000 * 1000}, look = {LOOK_AFTER_S, 0};

    i->sync_timer = event_new(base, -1, EV_PERSIST, sync_due, i);
    i->look_timer = event_new(base, -1, EV_PERSIST, look_due, i);
    return i->sync_timer != NULL && i->look_timer != NULL && event_add(i->sync_timer, &sync) == 0 &&
           event_add(i->look_timer, &look) == 0;
}

static void *open_instance(struct fr_sink *sink, const struct fr_host *host)
{
    struct instance *i = calloc(1, sizeof *i);

    if (i == NULL)
        return NULL;
    i->files = (struct fr_files){
        .sink = sink,
        .host = host,
        .pattern = host->text(sink, "path"),
        .fsync = (enum fr_fsync)host->number(sink, "fsync"),
        .rotate_size = host->number(sink, "rotate_size"),
        .rotate_every_ms = host->number(sink, "rotate_every"),
        .rotated = fr_rotated_new(sink, host),
        .open_max = open_max(),
    };
    i->has_type = strstr(i->files.pattern, "%{type}") != NULL;
    if (i->files.rotated != NULL && begin_timers(i, host->number(sink, "fsync_interval")))
        return i;
    close_instance(i);
    return NULL;
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
