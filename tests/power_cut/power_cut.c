/*
 * power_cut.so - what a disk holds when the power goes: preloaded into the daemon, it keeps,
 * beside each file under FR_POWER_ROOT, a shadow under FR_POWER_SHADOW with only what was
 * synced. After kill -9 the test puts the shadows in the files' place.
 *
 * A write is in the shadow when fdatasync or fsync on its file has begun and, at the latest,
 * when it has returned; a write with O_DSYNC when it returns, and no other with it.
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

#define FILES_MOST 256

struct change {
    struct change *next;
    off_t at;
    ssize_t len; /* -1: the file is cut to `at` */
    char bytes[];
};

struct file {
    dev_t device;
    ino_t inode;
    int shadow;
    struct change *first, **end;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file files[FILES_MOST];
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

/* The shadow's path of a path under the root; false: it is elsewhere. */
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

/* The file of a descriptor, by inode, so that a rename changes nothing. NULL: none of ours. */
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
    if (n <= 0 || file_count == FILES_MOST)
        return NULL;
    path[n] = '\0';
    if (!shadow_path(path, shadow))
        return NULL;
    files[file_count] = (struct file){.device = st.st_dev, .inode = st.st_ino};
    files[file_count].shadow = open(shadow, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    files[file_count].end = &files[file_count].first;
    return &files[file_count++];
}

static void apply(const struct file *file, const struct change *c)
{
    ssize_t (*write_at)(int, const void *, size_t, off_t) =
        (ssize_t(*)(int, const void *, size_t, off_t))real("pwrite");
    int (*cut)(int, off_t) = (int (*)(int, off_t))real("ftruncate");

    if (c->len < 0)
        cut(file->shadow, c->at);
    else if (write_at(file->shadow, c->bytes, (size_t)c->len, c->at) != c->len)
        abort();
}

static void note(int fd, const void *bytes, ssize_t len, off_t at)
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
            apply(file, c);
            free(c);
        } else {
            *file->end = c;
            file->end = &c->next;
        }
    }
    pthread_mutex_unlock(&lock);
}

/* All that was written before is durable. */
static void settle(int fd)
{
    struct file *file;

    pthread_mutex_lock(&lock);
    file = file_of(fd);
    while (file != NULL && file->first != NULL) {
        struct change *c = file->first;

        apply(file, c);
        file->first = c->next;
        free(c);
    }
    if (file != NULL)
        file->end = &file->first;
    pthread_mutex_unlock(&lock);
}

/* ---- what is wrapped ------------------------------------------------------------- */

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    ssize_t n = ((ssize_t(*)(int, const void *, size_t, off_t))real("pwrite"))(fd, bytes, len, at);

    if (n > 0)
        note(fd, bytes, n, at);
    return n;
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at)
{
    return pwrite(fd, bytes, len, at);
}

static void note_all(int fd, const struct iovec *parts, int count, ssize_t n, off_t at)
{
    for (int i = 0; i < count && n > 0; i++) {
        ssize_t len = (ssize_t)parts[i].iov_len < n ? (ssize_t)parts[i].iov_len : n;

        note(fd, parts[i].iov_base, len, at);
        at += len;
        n -= len;
    }
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    ssize_t n =
        ((ssize_t(*)(int, const struct iovec *, int, off_t))real("pwritev"))(fd, parts, count, at);

    note_all(fd, parts, count, n, at);
    return n;
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at);
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at)
{
    return pwritev(fd, parts, count, at);
}

/* Where the next write(2) goes. */
static off_t place(int fd)
{
    struct stat st;

    if (fcntl(fd, F_GETFL) & O_APPEND)
        return fstat(fd, &st) == 0 ? st.st_size : 0;
    return lseek(fd, 0, SEEK_CUR);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    off_t at = place(fd);
    ssize_t n = ((ssize_t(*)(int, const void *, size_t))real("write"))(fd, bytes, len);

    if (n > 0 && at >= 0)
        note(fd, bytes, n, at);
    return n;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    off_t at = place(fd);
    ssize_t n = ((ssize_t(*)(int, const struct iovec *, int))real("writev"))(fd, parts, count);

    if (at >= 0)
        note_all(fd, parts, count, n, at);
    return n;
}

int ftruncate(int fd, off_t size)
{
    int status = ((int (*)(int, off_t))real("ftruncate"))(fd, size);

    if (status == 0)
        note(fd, NULL, -1, size);
    return status;
}

int ftruncate64(int fd, off_t size)
{
    return ftruncate(fd, size);
}

int fdatasync(int fd)
{
    settle(fd);
    return 0; /* this test's files need not survive the machine */
}

int fsync(int fd)
{
    settle(fd);
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
