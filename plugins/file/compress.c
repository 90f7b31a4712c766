#include "compress.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "text_buffer.h"

#define STEP (256 * 1024) /* bytes compressed before the event loop continues */

struct fr_compress {
    struct fr_sink *sink;
    const struct fr_host *host;
    enum fr_compression method;
    void (*emptied)(void *ctx);
    void *ctx;
    struct event *step_event;
    char *waiting[FR_COMPRESS_WAITING_MAX]; /* ring buffer of paths */
    size_t first, count;

    /* The file being compressed; source < 0: none. */
    int source, target;
    struct fr_text_buffer part, final; /* their paths */
    z_stream gzip;
    ZSTD_CStream *zstd;
    unsigned char in[STEP];
    unsigned char out[STEP];
};

/* ---- one step of a file ---------------------------------------------------------- */

static int compress_put(int fd, const unsigned char *bytes, size_t len)
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

static int compress_step_gzip(struct fr_compress *c, size_t len)
{
    int flush = len == 0 ? Z_FINISH : Z_NO_FLUSH;

    c->gzip.next_in = c->in;
    c->gzip.avail_in = (uInt)len;
    do {
        c->gzip.next_out = c->out;
        c->gzip.avail_out = sizeof c->out;
        if (deflate(&c->gzip, flush) == Z_STREAM_ERROR ||
            compress_put(c->target, c->out, sizeof c->out - c->gzip.avail_out) != 0)
            return -1;
    } while (c->gzip.avail_out == 0);
    return 0;
}

static int compress_step_zstd(struct fr_compress *c, size_t len)
{
    ZSTD_inBuffer in = {c->in, len, 0};
    size_t left;

    do {
        ZSTD_outBuffer out = {c->out, sizeof c->out, 0};

        left = ZSTD_compressStream2(c->zstd, &out, &in, len == 0 ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left) || compress_put(c->target, c->out, out.pos) != 0)
            return -1;
    } while (len == 0 ? left != 0 : in.pos < in.size);
    return 0;
}

static int compress_begin_method(struct fr_compress *c)
{
    errno = ENOMEM;
    if (c->method == FR_COMPRESS_GZIP) {
        memset(&c->gzip, 0, sizeof c->gzip);
        return deflateInit2(&c->gzip, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK ? 0
                                                                                             : -1;
    }
    c->zstd = ZSTD_createCStream();
    return c->zstd != NULL ? 0 : -1;
}

/* -1 and errno; ENOENT: the file was removed, EWOULDBLOCK: another sink compresses it. */
static int compress_begin(struct fr_compress *c, const char *path)
{
    fr_text_buffer_clear(&c->final);
    fr_text_buffer_clear(&c->part);
    fr_text_buffer_printf(&c->final, "%s%s", path, c->method == FR_COMPRESS_GZIP ? ".gz" : ".zst");
    fr_text_buffer_printf(&c->part, "%s.part", fr_text_buffer_string(&c->final));
    errno = ENOMEM;
    if (c->final.failed || c->part.failed)
        return -1;
    c->source = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (c->source < 0 || flock(c->source, LOCK_EX | LOCK_NB) != 0)
        return -1;
    c->target = open(c->part.bytes, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    return c->target >= 0 ? compress_begin_method(c) : -1;
}

static void compress_release(struct fr_compress *c)
{
    if (c->source >= 0)
        close(c->source);
    if (c->target >= 0)
        close(c->target);
    c->source = c->target = -1;
    deflateEnd(&c->gzip);
    memset(&c->gzip, 0, sizeof c->gzip);
    ZSTD_freeCStream(c->zstd);
    c->zstd = NULL;
}

static int compress_finish(struct fr_compress *c, const char *path)
{
    if (fsync(c->target) != 0 || rename(c->part.bytes, c->final.bytes) != 0)
        return -1;
    if (unlink(path) == 0)
        return 0;
    /* The option `keep` has removed the original meanwhile: remove the result, too. */
    return errno == ENOENT ? unlink(c->final.bytes) : -1;
}

static void compress_fail(struct fr_compress *c, const char *path)
{
    if (errno != ENOENT && errno != EWOULDBLOCK)
        c->host->log(c->sink, FR_LOG_WARNING, "cannot compress %s: %s; the file stays uncompressed",
                     path, strerror(errno));
    if (c->target >= 0)
        unlink(c->part.bytes);
    compress_release(c);
}

/* Run one step. False: the file is finished, with or without success. */
static bool compress_step_file(struct fr_compress *c)
{
    const char *path = c->waiting[c->first];
    ssize_t n;
    int status;

    if (c->source < 0 && compress_begin(c, path) != 0) {
        compress_fail(c, path);
        return false;
    }
    n = read(c->source, c->in, sizeof c->in);
    status = n < 0                           ? -1
             : c->method == FR_COMPRESS_GZIP ? compress_step_gzip(c, (size_t)n)
                                             : compress_step_zstd(c, (size_t)n);
    if (status == 0 && n > 0)
        return true;
    if (status != 0 || compress_finish(c, path) != 0)
        compress_fail(c, path);
    else
        compress_release(c);
    return false;
}

/* ---- the queue ------------------------------------------------------------------- */

static void compress_drop_first(struct fr_compress *c)
{
    free(c->waiting[c->first]);
    c->first = (c->first + 1) % FR_COMPRESS_WAITING_MAX;
    c->count--;
}

static void compress_step(evutil_socket_t fd, short what, void *ctx)
{
    static const struct timeval soon = {0, 1000};
    struct fr_compress *c = ctx;

    (void)fd, (void)what;
    if (c->count == 0)
        return;
    if (!compress_step_file(c))
        compress_drop_first(c);
    if (c->count != 0)
        event_add(c->step_event, &soon);
    else
        c->emptied(c->ctx);
}

bool fr_compress_add(struct fr_compress *c, const char *path)
{
    static const struct timeval soon = {0, 1000};
    char *copy = c->count < FR_COMPRESS_WAITING_MAX ? strdup(path) : NULL;

    if (copy == NULL)
        return false;
    c->waiting[(c->first + c->count++) % FR_COMPRESS_WAITING_MAX] = copy;
    if (!event_pending(c->step_event, EV_TIMEOUT, NULL))
        event_add(c->step_event, &soon);
    return true;
}

/* ---- creation -------------------------------------------------------------------- */

struct fr_compress *fr_compress_new(struct fr_sink *sink, const struct fr_host *host,
                                    enum fr_compression method, void (*emptied)(void *ctx),
                                    void *ctx)
{
    struct fr_compress *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    c->sink = sink;
    c->host = host;
    c->method = method;
    c->emptied = emptied;
    c->ctx = ctx;
    c->source = c->target = -1;
    c->step_event = event_new(host->event_base(sink), -1, 0, compress_step, c);
    if (c->step_event != NULL)
        return c;
    free(c);
    return NULL;
}

void fr_compress_free(struct fr_compress *c)
{
    if (c == NULL)
        return;
    if (c->source >= 0) {
        compress_release(c);
        unlink(c->part.bytes);
    }
    while (c->count != 0)
        compress_drop_first(c);
    fr_text_buffer_free(&c->part);
    fr_text_buffer_free(&c->final);
    event_free(c->step_event);
    free(c);
}
