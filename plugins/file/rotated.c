#include "rotated.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define STEP (256 * 1024) /* bytes compressed before the sink's thread does something else */
#define WAITING_MOST 1024 /* files that wait for compression; more are left as they are */
#define PATH_SIZE 1152

enum method { METHOD_NONE, METHOD_GZIP, METHOD_ZSTD };

struct fr_rotated {
    struct fr_sink *sink;
    const struct fr_host *host;
    enum method method;
    size_t keep;
    struct event *step_event;
    char *waiting[WAITING_MOST];
    size_t count;

    /* The file being compressed; source < 0: none. */
    int source, target;
    char target_path[PATH_SIZE];
    z_stream gzip;
    ZSTD_CStream *zstd;
    unsigned char in[STEP];
    unsigned char out[STEP];
};

static const char *suffix(enum method method)
{
    return method == METHOD_GZIP ? ".gz" : ".zst";
}

/* ---- compressing ----------------------------------------------------------------- */

static int put(int fd, const unsigned char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

static int step_gzip(struct fr_rotated *r, size_t len)
{
    int flush = len == 0 ? Z_FINISH : Z_NO_FLUSH;

    r->gzip.next_in = r->in;
    r->gzip.avail_in = (uInt)len;
    do {
        r->gzip.next_out = r->out;
        r->gzip.avail_out = sizeof r->out;
        if (deflate(&r->gzip, flush) == Z_STREAM_ERROR ||
            put(r->target, r->out, sizeof r->out - r->gzip.avail_out) != 0)
            return -1;
    } while (r->gzip.avail_out == 0);
    return 0;
}

static int step_zstd(struct fr_rotated *r, size_t len)
{
    ZSTD_inBuffer in = {r->in, len, 0};
    size_t left;

    do {
        ZSTD_outBuffer out = {r->out, sizeof r->out, 0};

        left = ZSTD_compressStream2(r->zstd, &out, &in, len == 0 ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left) || put(r->target, r->out, out.pos) != 0)
            return -1;
    } while (len == 0 ? left != 0 : in.pos < in.size);
    return 0;
}

static int begin(struct fr_rotated *r, const char *path)
{
    snprintf(r->target_path, sizeof r->target_path, "%s%s.part", path, suffix(r->method));
    r->source = open(path, O_RDONLY | O_CLOEXEC);
    r->target = open(r->target_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (r->source < 0 || r->target < 0)
        return -1;
    if (r->method == METHOD_GZIP) {
        memset(&r->gzip, 0, sizeof r->gzip);
        return deflateInit2(&r->gzip, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK ? 0
                                                                                             : -1;
    }
    r->zstd = ZSTD_createCStream();
    return r->zstd != NULL ? 0 : -1;
}

static void release(struct fr_rotated *r)
{
    if (r->source >= 0)
        close(r->source);
    if (r->target >= 0)
        close(r->target);
    r->source = r->target = -1;
    deflateEnd(&r->gzip);
    memset(&r->gzip, 0, sizeof r->gzip);
    ZSTD_freeCStream(r->zstd);
    r->zstd = NULL;
}

/* The compressed file takes the place of the original only when it is whole and on disk. */
static int finish(struct fr_rotated *r, const char *path)
{
    char final[PATH_SIZE];

    snprintf(final, sizeof final, "%s%s", path, suffix(r->method));
    if (fsync(r->target) != 0 || rename(r->target_path, final) != 0)
        return -1;
    return unlink(path);
}

static void drop_first(struct fr_rotated *r)
{
    free(r->waiting[0]);
    r->count--;
    memmove(r->waiting, r->waiting + 1, r->count * sizeof r->waiting[0]);
}

/* One step; false when the file is done with, well or not. */
static bool step_file(struct fr_rotated *r)
{
    const char *path = r->waiting[0];
    ssize_t n;
    int status;

    if (r->source < 0 && begin(r, path) != 0)
        goto failed;
    n = read(r->source, r->in, sizeof r->in);
    if (n < 0)
        goto failed;
    status = r->method == METHOD_GZIP ? step_gzip(r, (size_t)n) : step_zstd(r, (size_t)n);
    if (status == 0 && n > 0)
        return true;
    if (status != 0 || finish(r, path) != 0)
        goto failed;
    release(r);
    return false;
failed:
    r->host->log(r->sink, FR_LOG_WARNING, "cannot compress %s: %s; it stays as it is", path,
                 strerror(errno));
    release(r);
    unlink(r->target_path);
    return false;
}

static void step(evutil_socket_t fd, short what, void *ctx)
{
    static const struct timeval soon = {0, 1000};
    struct fr_rotated *r = ctx;

    (void)fd, (void)what;
    if (r->count == 0)
        return;
    if (!step_file(r))
        drop_first(r);
    if (r->count != 0)
        event_add(r->step_event, &soon);
}

/* ---- keeping --------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names sort by age, because they end in a date. */
static void remove_oldest(struct fr_rotated *r, const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
    char directory[PATH_SIZE], *names[4096];
    size_t count = 0, len = strlen(base);
    struct dirent *entry;
    DIR *dir;

    snprintf(directory, sizeof directory, "%.*s", slash != NULL ? (int)(slash - path + 1) : 2,
             slash != NULL ? path : "./");
    dir = opendir(directory);
    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL && count < sizeof names / sizeof *names)
        if (strncmp(entry->d_name, base, len) == 0 && entry->d_name[len] == '.' &&
            entry->d_name[len + 1] >= '0' && entry->d_name[len + 1] <= '9' &&
            (names[count] = strdup(entry->d_name)) != NULL)
            count++;
    qsort(names, count, sizeof names[0], by_name);
    for (size_t i = 0; i < count; i++) {
        if (i + r->keep < count && unlinkat(dirfd(dir), names[i], 0) != 0)
            r->host->log(r->sink, FR_LOG_WARNING, "cannot remove %s%s: %s", directory, names[i],
                         strerror(errno));
        free(names[i]);
    }
    closedir(dir);
}

/* ---- life ------------------------------------------------------------------------ */

struct fr_rotated *fr_rotated_new(struct fr_sink *sink, const struct fr_host *host)
{
    struct fr_rotated *r = calloc(1, sizeof *r);

    if (r == NULL)
        return NULL;
    r->sink = sink;
    r->host = host;
    r->method = (enum method)host->number(sink, "compress");
    r->keep = (size_t)host->number(sink, "keep");
    r->source = r->target = -1;
    r->step_event = event_new(host->event_base(sink), -1, 0, step, r);
    if (r->step_event == NULL) {
        free(r);
        return NULL;
    }
    return r;
}

void fr_rotated_free(struct fr_rotated *r)
{
    if (r == NULL)
        return;
    if (r->source >= 0) {
        release(r);
        unlink(r->target_path);
    }
    while (r->count != 0)
        drop_first(r);
    event_free(r->step_event);
    free(r);
}

int fr_rotated_add(struct fr_rotated *r, const char *path)
{
    static const struct timeval soon = {0, 1000};
    char dated[PATH_SIZE], date[32];
    time_t now = time(NULL);
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(date, sizeof date, "%Y%m%dT%H%M%SZ", &tm);
    for (unsigned n = 0;; n++) {
        char compressed[PATH_SIZE + 8];

        snprintf(dated, sizeof dated, "%s.%s-%03u", path, date, n);
        snprintf(compressed, sizeof compressed, "%s%s", dated, suffix(r->method));
        if (access(dated, F_OK) != 0 && access(compressed, F_OK) != 0)
            break;
    }
    if (rename(path, dated) != 0)
        return -1;
    if (r->keep > 0)
        remove_oldest(r, path);
    if (r->method == METHOD_NONE || r->count == WAITING_MOST)
        return 0;
    r->waiting[r->count] = strdup(dated);
    if (r->waiting[r->count] == NULL)
        return 0;
    r->count++;
    if (!event_pending(r->step_event, EV_TIMEOUT, NULL))
        event_add(r->step_event, &soon);
    return 0;
}
