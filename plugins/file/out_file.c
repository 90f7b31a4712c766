#include "out_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/tail_repair.h"

#define KEEP_CAPACITY 65536 /* bytes of memory that a file keeps between batches */

/* ---- opening --------------------------------------------------------------------- */

static int out_make_parents(char *path)
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

/* Creation time, ms since 1970; without support of the file system, the current time. */
static int64_t out_created_ms(int fd)
{
    struct statx st;
    struct timespec now;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &st) == 0 && (st.stx_mask & STATX_BTIME) &&
        st.stx_btime.tv_sec > 0)
        return st.stx_btime.tv_sec * 1000 + st.stx_btime.tv_nsec / 1000000;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int out_check_file(struct fr_out *out, bool *repaired)
{
    struct stat st;

    if (fstat(out->fd, &st) != 0)
        return -1;
    if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode)) {
        errno = EINVAL;
        return -1;
    }
    /* The file is as it was closed, so its end is complete and need not be read. */
    if (!out->end_unknown && out->inode == st.st_ino && out->device == st.st_dev &&
        out->size == st.st_size)
        return 0;
    *repaired = fr_tail_repair(out->fd, out->binary) > 0;
    out->end_unknown = false;
    if (*repaired && fstat(out->fd, &st) != 0)
        return -1;
    if (out->inode != st.st_ino || out->device != st.st_dev)
        out->opened_ms = out_created_ms(out->fd);
    out->inode = st.st_ino;
    out->device = st.st_dev;
    out->size = st.st_size;
    return 0;
}

int fr_out_open(struct fr_out *out, bool *repaired)
{
    *repaired = false;
    /* O_NONBLOCK: a FIFO at the path must not block the thread. */
    out->fd = open(out->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0640);
    if (out->fd < 0 && errno == ENOENT && out_make_parents(out->path) == 0)
        out->fd = open(out->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0640);
    if (out->fd < 0)
        return -1;
    if (out_check_file(out, repaired) != 0) {
        int saved = errno;

        fr_out_close(out);
        errno = saved;
        return -1;
    }
    out->synced = out->size;
    return 0;
}

void fr_out_close(struct fr_out *out)
{
    if (out->fd >= 0)
        close(out->fd);
    out->fd = -1;
    out->unsynced = out->torn = false;
}

/* ---- writing --------------------------------------------------------------------- */

static bool out_append(struct fr_out *out, const void *bytes, size_t len)
{
    if (out->capacity - out->len < len) {
        size_t capacity = (out->len + len) * 2;
        char *grown = realloc(out->bytes, capacity);

        if (grown == NULL)
            return false;
        out->bytes = grown;
        out->capacity = capacity;
    }
    if (len != 0)
        memcpy(out->bytes + out->len, bytes, len);
    out->len += len;
    return true;
}

static bool out_append_length(struct fr_out *out, size_t len)
{
    uint8_t head[10];
    size_t n = 0;

    for (; len >= 0x80; len >>= 7)
        head[n++] = (uint8_t)(len | 0x80);
    head[n++] = (uint8_t)len;
    return out_append(out, head, n);
}

bool fr_out_gather(struct fr_out *out, const void *bytes, size_t len, struct fr_delivery *d)
{
    size_t before = out->len;
    bool ok = out->binary ? out_append_length(out, len) && out_append(out, bytes, len)
                          : out_append(out, bytes, len) && out_append(out, "\n", 1);

    if (ok)
        delivery_list_add(&out->gathered, d);
    else
        out->len = before;
    return ok;
}

static int out_write_all(int fd, const char *bytes, size_t len)
{
    while (len != 0) {
        ssize_t n = write(fd, bytes, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n == 0 ? EIO : errno;
            return -1;
        }
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Truncate the file to its last complete record. */
static int out_truncate(struct fr_out *out)
{
    if (ftruncate(out->fd, out->size) != 0) {
        out->torn = true;
        out->end_unknown = true; /* the next open repairs the end */
        return -1;
    }
    out->torn = false;
    return 0;
}

int fr_out_write(struct fr_out *out, struct delivery_list *failed)
{
    int status = out->torn ? out_truncate(out) : 0, saved;

    if (status == 0)
        status = out_write_all(out->fd, out->bytes, out->len);
    saved = errno;
    if (status == 0) {
        out->size += (off_t)out->len;
        out->unsynced = true;
        delivery_list_append(&out->written, &out->gathered);
    } else {
        if (!out->torn)
            out_truncate(out);
        delivery_list_append(failed, &out->gathered);
    }
    out->len = 0;
    if (out->capacity > KEEP_CAPACITY) {
        free(out->bytes);
        out->bytes = NULL;
        out->capacity = 0;
    }
    errno = saved;
    return status;
}

/* ---- syncing --------------------------------------------------------------------- */

void fr_out_begin_sync(const struct fr_out *out)
{
    if (out->fd >= 0 && out->unsynced)
        sync_file_range(out->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

int fr_out_sync(struct fr_out *out, bool durable, struct delivery_list *done,
                struct delivery_list *failed)
{
    int saved;

    if (!out->unsynced || durable || fdatasync(out->fd) == 0) {
        out->unsynced = false;
        out->synced = out->size;
        delivery_list_append(done, &out->written);
        return 0;
    }
    /* The kernel may have dropped bytes that it could not write. All unsynced records are written
     * again; truncate them first to avoid duplicates. */
    saved = errno;
    if (ftruncate(out->fd, out->synced) == 0)
        out->size = out->synced;
    else
        out->end_unknown = true;
    delivery_list_append(failed, &out->written);
    fr_out_close(out);
    errno = saved;
    return -1;
}

enum fr_out_identity fr_out_identity(const struct fr_out *out)
{
    struct stat st;

    if (out->fd < 0)
        return FR_OUT_SAME;
    if (fstat(out->fd, &st) == 0 && st.st_nlink == 0)
        return FR_OUT_DELETED;
    if (stat(out->path, &st) == 0 && st.st_ino == out->inode && st.st_dev == out->device)
        return FR_OUT_SAME;
    return FR_OUT_MOVED;
}

/* ---- creation -------------------------------------------------------------------- */

struct fr_out *fr_out_new(const char *path, bool binary)
{
    struct fr_out *out = calloc(1, sizeof *out);

    if (out == NULL)
        return NULL;
    out->fd = -1;
    out->binary = binary;
    out->path = strdup(path);
    if (out->path != NULL)
        return out;
    free(out);
    return NULL;
}

void fr_out_free(struct fr_out *out)
{
    fr_out_close(out);
    free(out->path);
    free(out->bytes);
    free(out);
}
