/*
 * power_cut.so - simulates the content of a disk after a power failure. When it is preloaded into
 * the daemon (LD_PRELOAD), each file under FR_POWER_ROOT has a shadow file under FR_POWER_SHADOW
 * with only the synced changes. After kill -9 the test replaces the files by their shadows.
 *
 * fdatasync and fsync apply all earlier changes of a file to its shadow before they return. A write
 * with O_DSYNC is applied before it returns, and applies no other change.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES_MAX 256

struct change {
    struct change *next;
    off_t at;
    ssize_t len; /* -1: truncation of the file to `at` bytes */
    char bytes[];
};

struct file {
    dev_t device;
    ino_t inode;
    int shadow;
    struct change *first, **end;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file files[FILES_MAX];
static size_t file_count;

ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at);
int ftruncate64(int fd, off_t size);

static void *real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);

    if (found == NULL)
        abort();
    return found;
}

static const char *root(void)
{
    static char path[PATH_MAX];

    if (path[0] == '\0' &&
        (getenv("FR_POWER_ROOT") == NULL || realpath(getenv("FR_POWER_ROOT"), path) == NULL))
        abort();
    return path;
}

/* Store the path of the shadow in `to` (PATH_MAX bytes) and create its folders. Returns 0 if the
 * path is not under the root. */
static int shadow_path(const char *path, char *to)
{
    size_t len = strlen(root());

    if (strncmp(path, root(), len) != 0 || path[len] != '/')
        return 0;
    snprintf(to, PATH_MAX, "%s%s", getenv("FR_POWER_SHADOW"), path + len);
    for (char *slash = strchr(to + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(to, 0700);
        *slash = '/';
    }
    return 1;
}

/* Find or add the file of a descriptor. Files are identified by inode, so that a rename has no
 * effect. Returns NULL if the file is not under the root. */
static struct file *file_of(int fd)
{
    char link[64], path[PATH_MAX], shadow[PATH_MAX];
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return NULL;
    for (size_t i = 0; i < file_count; i++)
        if (files[i].device == st.st_dev && files[i].inode == st.st_ino)
            return &files[i];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (n <= 0 || file_count == FILES_MAX)
        return NULL;
    path[n] = '\0';
    if (!shadow_path(path, shadow))
        return NULL;
    files[file_count] = (struct file){.device = st.st_dev, .inode = st.st_ino};
    files[file_count].shadow = open(shadow, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    files[file_count].end = &files[file_count].first;
    return &files[file_count++];
}

static void apply_change(const struct file *file, const struct change *c)
{
    ssize_t (*write_at)(int, const void *, size_t, off_t) =
        (ssize_t(*)(int, const void *, size_t, off_t))real("pwrite");
    int (*truncate_to)(int, off_t) = (int (*)(int, off_t))real("ftruncate");

    if (c->len < 0)
        truncate_to(file->shadow, c->at);
    else if (write_at(file->shadow, c->bytes, (size_t)c->len, c->at) != c->len)
        abort();
}

/* Record a change of the file, or apply it at once with O_DSYNC. */
static void record_change(int fd, const void *bytes, ssize_t len, off_t at)
{
    struct file *file;
    struct change *c;

    if (len == 0)
        return;
    pthread_mutex_lock(&lock);
    file = file_of(fd);
    if (file != NULL) {
        c = malloc(sizeof *c + (len > 0 ? (size_t)len : 0));
        *c = (struct change){NULL, at, len};
        if (len > 0)
            memcpy(c->bytes, bytes, (size_t)len);
        if (fcntl(fd, F_GETFL) & O_DSYNC) {
            apply_change(file, c);
            free(c);
        } else {
            *file->end = c;
            file->end = &c->next;
        }
    }
    pthread_mutex_unlock(&lock);
}

/* Apply all recorded changes of the file to its shadow. */
static void apply_changes(int fd)
{
    struct file *file;

    pthread_mutex_lock(&lock);
    file = file_of(fd);
    while (file != NULL && file->first != NULL) {
        struct change *c = file->first;

        apply_change(file, c);
        file->first = c->next;
        free(c);
    }
    if (file != NULL)
        file->end = &file->first;
    pthread_mutex_unlock(&lock);
}

/* ---- wrapped calls --------------------------------------------------------------- */

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    ssize_t n = ((ssize_t(*)(int, const void *, size_t, off_t))real("pwrite"))(fd, bytes, len, at);

    if (n > 0)
        record_change(fd, bytes, n, at);
    return n;
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at)
{
    return pwrite(fd, bytes, len, at);
}

static void record_changes(int fd, const struct iovec *parts, int count, ssize_t n, off_t at)
{
    for (int i = 0; i < count && n > 0; i++) {
        ssize_t len = (ssize_t)parts[i].iov_len < n ? (ssize_t)parts[i].iov_len : n;

        record_change(fd, parts[i].iov_base, len, at);
        at += len;
        n -= len;
    }
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    ssize_t n =
        ((ssize_t(*)(int, const struct iovec *, int, off_t))real("pwritev"))(fd, parts, count, at);

    record_changes(fd, parts, count, n, at);
    return n;
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at);
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at)
{
    return pwritev(fd, parts, count, at);
}

/* The offset of the next write(2). */
static off_t write_offset(int fd)
{
    struct stat st;

    if (fcntl(fd, F_GETFL) & O_APPEND)
        return fstat(fd, &st) == 0 ? st.st_size : 0;
    return lseek(fd, 0, SEEK_CUR);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    off_t at = write_offset(fd);
    ssize_t n = ((ssize_t(*)(int, const void *, size_t))real("write"))(fd, bytes, len);

    if (n > 0 && at >= 0)
        record_change(fd, bytes, n, at);
    return n;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    off_t at = write_offset(fd);
    ssize_t n = ((ssize_t(*)(int, const struct iovec *, int))real("writev"))(fd, parts, count);

    if (at >= 0)
        record_changes(fd, parts, count, n, at);
    return n;
}

int ftruncate(int fd, off_t size)
{
    int status = ((int (*)(int, off_t))real("ftruncate"))(fd, size);

    if (status == 0)
        record_change(fd, NULL, -1, size);
    return status;
}

int ftruncate64(int fd, off_t size)
{
    return ftruncate(fd, size);
}

int fdatasync(int fd)
{
    apply_changes(fd);
    return 0; /* the real sync is not needed and would slow the test */
}

int fsync(int fd)
{
    apply_changes(fd);
    return 0;
}

int rename(const char *from, const char *to)
{
    char shadow_from[PATH_MAX], shadow_to[PATH_MAX];
    int (*real_rename)(const char *, const char *) =
        (int (*)(const char *, const char *))real("rename");
    int status = real_rename(from, to);

    if (status == 0 && shadow_path(from, shadow_from) && shadow_path(to, shadow_to))
        real_rename(shadow_from, shadow_to);
    return status;
}
