/*
 * The sink plugin file.so: writes records and values to files, as JSON lines or length-delimited
 * protobuf.
 *
 * A delivery is answered FR_DONE when its bytes are as durable as the option `fsync` promises.
 * After a partial write (for example, on a full disk) the file is truncated to its last complete
 * record, so that a retry neither duplicates nor cuts a record.
 *
 * Everything here runs on the sink's thread.
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
#define SYNC_INTERVAL_MIN_MS 1 /* libevent runs a periodic timer of 0 only once */
#define OPEN_MAX 256           /* limit of open files */
#define DESCRIPTORS_SHARE 16   /* a sink opens at most 1/16 of RLIMIT_NOFILE */
#define OTHER_LOG_MS 60000     /* between two log lines about the type "other" */
#define MAINTENANCE_S 1

struct file_sink {
    struct fr_files files;
    struct fr_type_limit types;
    bool has_type;           /* the path contains %{type} */
    uint64_t others;         /* number of records whose type was replaced by "other" */
    int64_t other_logged_ms; /* monotonic: last log line about that; 0: never */
    struct event *sync_timer, *maintenance_timer;
};

/* ---- a batch --------------------------------------------------------------------- */

static void file_log_other_type(struct file_sink *sink, const struct fr_delivery *d)
{
    int64_t ms = fr_clock_monotonic_ms();

    sink->others++;
    if (sink->other_logged_ms != 0 && ms - sink->other_logged_ms < OTHER_LOG_MS)
        return;
    sink->other_logged_ms = ms;
    sink->files.host->log(
        sink->files.sink, FR_LOG_WARNING,
        "%s sends more record types than the limit of %d for a vehicle or %d for all vehicles: "
        "%llu "
        "records so far were written to files of the type `other`; list the wanted types in routes",
        d->vin, FR_TYPES_PER_VEHICLE, FR_TYPES_MAX, (unsigned long long)sink->others);
}

/* Build the path of a delivery. False: it exceeds PATH_SIZE. */
static bool file_path_of(struct file_sink *sink, const struct fr_delivery *d, char path[PATH_SIZE])
{
    struct fr_delivery limited = *d;

    if (sink->has_type && d->kind == FR_DELIVERY_RECORD) {
        limited.record_type = fr_type_in_path(&sink->types, d->vin, d->record_type);
        if (strcmp(limited.record_type, d->record_type) != 0)
            file_log_other_type(sink, d);
    }
    return fr_pattern_expand(sink->files.pattern, &limited, d->received_ms, path, PATH_SIZE);
}

static void file_gather(struct file_sink *sink, struct fr_delivery *d)
{
    bool record = d->kind == FR_DELIVERY_RECORD;
    const void *bytes = d->bytes;
    size_t len = d->len;
    char path[PATH_SIZE];

    if (!file_path_of(sink, d, path)) {
        sink->files.host->fail(
            sink->files.sink, d, FR_REFUSED,
            "the path for %s and %s is longer than %d bytes; make `path:` shorter", d->vin,
            d->record_type, PATH_SIZE - 1);
        return;
    }
    if (!record)
        bytes = sink->files.host->json(sink->files.sink, d, &len);
    fr_files_gather(&sink->files, path, record && d->format == FR_FORMAT_PROTOBUF, bytes, len, d);
}

static void file_deliver(void *state, struct fr_delivery *const *batch, size_t count)
{
    struct file_sink *sink = state;

    fr_files_begin(&sink->files);
    for (size_t k = 0; k < count; k++)
        file_gather(sink, batch[k]);
    fr_files_write(&sink->files);
    if (!sink->files.down && !sink->files.degraded)
        sink->files.host->health(sink->files.sink, FR_HEALTH_UP, "writing");
}

static void file_sync_due(evutil_socket_t fd, short what, void *ctx)
{
    struct file_sink *sink = ctx;

    (void)fd, (void)what;
    fr_files_sync(&sink->files);
}

static void file_maintain_due(evutil_socket_t fd, short what, void *ctx)
{
    struct file_sink *sink = ctx;

    (void)fd, (void)what;
    fr_files_maintain(&sink->files);
}

static void file_flush(void *state)
{
    struct file_sink *sink = state;

    fr_files_maintain(&sink->files);
    fr_files_sync(&sink->files);
}

/* ---- open and close -------------------------------------------------------------- */

static void file_check(struct fr_sink *sink, const struct fr_host *host)
{
    const char *path = host->text(sink, "path");
    const char *mistake = path != NULL ? fr_pattern_mistake(path) : NULL;

    if (mistake != NULL)
        host->config_error(sink, "path", NULL, "path: %s", mistake);
    if (host->number(sink, "fsync_interval") < SYNC_INTERVAL_MIN_MS)
        host->config_error(
            sink, "fsync_interval", NULL,
            "fsync_interval must be at least %d ms; to sync each batch, set `fsync: batch`",
            SYNC_INTERVAL_MIN_MS);
}

static void file_close_instance(void *state)
{
    struct file_sink *sink = state;

    fr_files_end(&sink->files);
    fr_rotated_free(sink->files.rotated);
    fr_type_limit_free(&sink->types);
    if (sink->sync_timer != NULL)
        event_free(sink->sync_timer);
    if (sink->maintenance_timer != NULL)
        event_free(sink->maintenance_timer);
    free(sink);
}

static size_t file_open_max(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= OPEN_MAX * DESCRIPTORS_SHARE)
        return OPEN_MAX;
    return limit.rlim_cur > DESCRIPTORS_SHARE ? (size_t)limit.rlim_cur / DESCRIPTORS_SHARE : 1;
}

static bool file_start_timers(struct file_sink *sink, int64_t sync_ms)
{
    struct event_base *base = sink->files.host->event_base(sink->files.sink);
    const struct timeval sync = {sync_ms / 1000, sync_ms % 1000 * 1000},
                         maintenance = {MAINTENANCE_S, 0};

    sink->sync_timer = event_new(base, -1, EV_PERSIST, file_sync_due, sink);
    sink->maintenance_timer = event_new(base, -1, EV_PERSIST, file_maintain_due, sink);
    return sink->sync_timer != NULL && sink->maintenance_timer != NULL &&
           event_add(sink->sync_timer, &sync) == 0 &&
           event_add(sink->maintenance_timer, &maintenance) == 0;
}

static void *file_open_instance(struct fr_sink *handle, const struct fr_host *host)
{
    struct file_sink *sink = calloc(1, sizeof *sink);

    if (sink == NULL)
        return NULL;
    sink->files = (struct fr_files){
        .sink = handle,
        .host = host,
        .pattern = host->text(handle, "path"),
        .fsync = (enum fr_fsync)host->number(handle, "fsync"),
        .rotate_size = host->number(handle, "rotate_size"),
        .rotate_every_ms = host->number(handle, "rotate_every"),
        .rotated = fr_rotated_new(handle, host),
        .open_max = file_open_max(),
    };
    sink->has_type = strstr(sink->files.pattern, "%{type}") != NULL;
    if (sink->files.rotated != NULL &&
        file_start_timers(sink, host->number(handle, "fsync_interval")))
        return sink;
    file_close_instance(sink);
    return NULL;
}

static const struct fr_option options[] = {
    {"path", FR_OPTION_PATH, NULL, true, NULL,
     "path of the files, with %Y %m %d %H, %{vin}, %{name} and %{type}"},
    {"rotate_size", FR_OPTION_SIZE, "100 MB", false, NULL, "rotate a file at this size; 0: never"},
    {"rotate_every", FR_OPTION_DURATION, "0", false, NULL, "rotate a file at this age; 0: never"},
    {"compress", FR_OPTION_CHOICE, "gzip", false, "none|gzip|zstd", "compression of rotated files"},
    {"keep", FR_OPTION_INTEGER, "0", false, NULL, "rotated files to keep for each path; 0: all"},
    {"fsync", FR_OPTION_CHOICE, "batch", false, "batch|interval|never",
     "when a record is delivered: synced with its batch, synced by the timer, written"},
    {"fsync_interval", FR_OPTION_DURATION, "1 s", false, NULL, "interval of `fsync: interval`"},
    {0},
};

extern const struct fr_plugin fleetroute_plugin;

const struct fr_plugin fleetroute_plugin = {
    FR_PLUGIN_HEADER,
    .name = "file",
    .version = PACKAGE_VERSION,
    .summary = "JSON lines or length-delimited protobuf in files",
    .options = options,
    .format = FR_FORMAT_JSON,
    .gather_ms = 50,
    .check = file_check,
    .open = file_open_instance,
    .deliver = file_deliver,
    .flush = file_flush,
    .close = file_close_instance,
};
