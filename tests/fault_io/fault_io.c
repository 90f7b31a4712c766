/*
 * fault_io.so - simulates disk faults. When it is preloaded into the daemon (LD_PRELOAD), calls on
 * selected files fail with a selected error.
 *
 * FR_FAULT_IO is the path of the file with the rules. The file is checked for changes at each call.
 * Each line is
 *
 *     CALL PART ERROR [TIMES]
 *
 * CALL: write     write, writev, pwrite, pwritev, ftruncate
 *       truncate  ftruncate
 *       sync      fsync, fdatasync
 *       meta      pwrite at an offset in the first two pages, the meta pages of LMDB
 *       done      as meta, but the bytes are written before the call fails
 *       open      open, openat; not the internal calls of the C library
 *       rename    rename, by the new name
 *       mkdir     mkdir
 * PART: a part of the path of the file, or of the folder for sync
 * ERROR: EIO, ENOSPC, EROFS or EDQUOT
 * TIMES: the number of calls that fail. Without it, every call fails while the line is in the file.
 *
 * Each failure is reported on standard error as "fault_io: CALL PATH ERROR".
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define LINES_MAX 16
#define META_BYTES 8192

struct rule {
    char call[16], part[128], error[16];
    long times; /* remaining failures; -1: unlimited */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rule rules[LINES_MAX];
static size_t rule_count;
static struct timespec rules_time;

ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at);
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at);
int ftruncate64(int fd, off_t size);
int open64(const char *path, int flags, ...);
int openat64(int folder, const char *path, int flags, ...);

static void *real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);

    if (found == NULL)
        abort();
    return found;
}

static ssize_t real_write(int fd, const void *bytes, size_t len)
{
    return ((ssize_t(*)(int, const void *, size_t))real("write"))(fd, bytes, len);
}

/* Read the rules again if the file has changed. This restarts the counts of TIMES. */
static void read_rules(void)
{
    const char *name = getenv("FR_FAULT_IO");
    struct stat st;
    FILE *file;
    char line[256];

    if (name == NULL || stat(name, &st) != 0) {
        rule_count = 0;
        return;
    }
    if (st.st_mtim.tv_sec == rules_time.tv_sec && st.st_mtim.tv_nsec == rules_time.tv_nsec)
        return;
    rules_time = st.st_mtim;
    rule_count = 0;
    file = fopen(name, "re");
    while (file != NULL && rule_count < LINES_MAX && fgets(line, sizeof line, file) != NULL) {
        struct rule *r = &rules[rule_count];

        r->times = -1;
        if (sscanf(line, "%15s %127s %15s %ld", r->call, r->part, r->error, &r->times) >= 3)
            rule_count++;
    }
    if (file != NULL)
        fclose(file);
}

static int error_number(const char *name)
{
    return strcmp(name, "ENOSPC") == 0   ? ENOSPC
           : strcmp(name, "EROFS") == 0  ? EROFS
           : strcmp(name, "EDQUOT") == 0 ? EDQUOT
                                         : EIO;
}

/* Returns whether a rule applies to this call on this file. Decrements its remaining failures. */
static int applies(struct rule *r, const char *call, const char *path)
{
    if (strcmp(r->call, call) != 0 || strstr(path, r->part) == NULL || r->times == 0)
        return 0;
    r->times -= r->times > 0;
    return 1;
}

/* Returns 0 if the call must be executed, 1 if it must fail, 2 if it must be executed and then
 * fail. Sets errno. */
static int path_fails(const char *path, const char *call, int meta)
{
    char report[PATH_MAX + 64];
    int error = 0, done = 0;

    pthread_mutex_lock(&lock);
    read_rules();
    for (size_t i = 0; i < rule_count && error == 0; i++)
        if (applies(&rules[i], call, path) ||
            (meta && (applies(&rules[i], "meta", path) || applies(&rules[i], "done", path)))) {
            int n = snprintf(report, sizeof report, "fault_io: %s %s %s\n", rules[i].call, path,
                             rules[i].error);

            done = strcmp(rules[i].call, "done") == 0;
            error = error_number(rules[i].error);
            real_write(STDERR_FILENO, report, (size_t)n);
        }
    pthread_mutex_unlock(&lock);
    errno = error;
    return error == 0 ? 0 : 1 + done;
}

static int fails(int fd, const char *call, int meta)
{
    char link[64], path[PATH_MAX];
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) != 0 ||
        !(S_ISREG(st.st_mode) || (S_ISDIR(st.st_mode) && strcmp(call, "sync") == 0)))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (n <= 0)
        return 0;
    path[n] = '\0';
    return path_fails(path, call, meta);
}

/* ---- wrapped calls on descriptors ------------------------------------------------ */

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    int failure = fails(fd, "write", at < META_BYTES), error = errno;
    ssize_t n = -1;

    if (failure != 1)
        n = ((ssize_t(*)(int, const void *, size_t, off_t))real("pwrite"))(fd, bytes, len, at);
    if (failure == 0)
        return n;
    errno = error;
    return -1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at)
{
    return pwrite(fd, bytes, len, at);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    if (fails(fd, "write", 0))
        return -1;
    return ((ssize_t(*)(int, const struct iovec *, int, off_t))real("pwritev"))(fd, parts, count,
                                                                                at);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at)
{
    return pwritev(fd, parts, count, at);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    if (fails(fd, "write", 0))
        return -1;
    return real_write(fd, bytes, len);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (fails(fd, "write", 0))
        return -1;
    return ((ssize_t(*)(int, const struct iovec *, int))real("writev"))(fd, parts, count);
}

int ftruncate(int fd, off_t size)
{
    if (fails(fd, "write", 0) || fails(fd, "truncate", 0))
        return -1;
    return ((int (*)(int, off_t))real("ftruncate"))(fd, size);
}

int ftruncate64(int fd, off_t size)
{
    return ftruncate(fd, size);
}

int fdatasync(int fd)
{
    if (fails(fd, "sync", 0))
        return -1;
    return ((int (*)(int))real("fdatasync"))(fd);
}

int fsync(int fd)
{
    if (fails(fd, "sync", 0))
        return -1;
    return ((int (*)(int))real("fsync"))(fd);
}

/* ---- wrapped calls on paths ------------------------------------------------------ */

int openat(int folder, const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list ap;

    if (flags & (O_CREAT | O_TMPFILE)) {
        va_start(ap, flags);
        mode = va_arg(ap, mode_t);
        va_end(ap);
    }
    if (path_fails(path, "open", 0))
        return -1;
    return ((int (*)(int, const char *, int, ...))real("openat"))(folder, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    mode_t mode;
    va_list ap;

    va_start(ap, flags);
    mode = va_arg(ap, mode_t);
    va_end(ap);
    return openat(AT_FDCWD, path, flags, mode);
}

/* The names in programs with _FILE_OFFSET_BITS=64. */
int openat64(int folder, const char *path, int flags, ...) __attribute__((alias("openat")));
int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int rename(const char *from, const char *to)
{
    if (path_fails(to, "rename", 0))
        return -1;
    return ((int (*)(const char *, const char *))real("rename"))(from, to);
}

int mkdir(const char *path, mode_t mode)
{
    if (path_fails(path, "mkdir", 0))
        return -1;
    return ((int (*)(const char *, mode_t))real("mkdir"))(path, mode);
}
