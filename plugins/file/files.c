#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock_ms.h"

#define SYNC_TOGETHER_MIN 8    /* unsynced files that are synced with the whole file system */
#define GATHERED_MAX (1 << 20) /* bytes that are gathered before they are written */

/* ---- answers --------------------------------------------------------------------- */

static void answer(struct fr_files *f, struct fr_out_list *list, enum fr_outcome outcome)
{
    struct fr_delivery *d = list->first;

    *list = (struct fr_out_list){0};
    while (d != NULL) {
        struct fr_delivery *next = d->plugin_data;

        d->plugin_data = NULL;
        f->host->done(f->sink, d, outcome);
        d = next;
    }
}

/* Whether the folder that all files of the pattern share can be used: then what fails at a path is
 * that path's own fault. */
static bool root_is_fine(const struct fr_files *f)
{
    size_t fixed = strcspn(f->pattern, "%");
    char *root;
    int fd;

    if (f->pattern[fixed] == '\0') /* one file alone */
        return false;
    while (fixed != 0 && f->pattern[fixed - 1] != '/')
        fixed--;
    root = fixed != 0 ? strndup(f->pattern, fixed) : strdup(".");
    fd = root != NULL && access(root, W_OK | X_OK) == 0
             ? open(root, O_PATH | O_DIRECTORY | O_CLOEXEC)
             : -1;
    free(root);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

static bool is_of_the_path(int error)
{
    return error == EISDIR || error == ENOTDIR || error == ENAMETOOLONG || error == ELOOP ||
           error == EACCES || error == EPERM || error == EINVAL || error == ENXIO;
}

static const char *remedy(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return " (free some space; nothing is lost yet)";
    case EACCES:
    case EPERM:
    case EROFS:
        return " (the daemon's user must be able to write there)";
    case EISDIR:
    case ENOTDIR:
    case ENXIO:
    case EINVAL:
        return " (something else stands where the file belongs: move it away)";
    case EMFILE:
    case ENFILE:
        return " (raise LimitNOFILE)";
    case EIO:
        return " (look into the kernel's log: the disk may be failing)";
    default:
        return "";
    }
}

/* Answer what failed. A path that cannot be used holds back no other: its deliveries fail alone. */
static void fail(struct fr_files *f, const char *what, const struct fr_out *out,
                 struct fr_out_list *failed)
{
    int error = errno;
    struct fr_delivery *d = failed->first;

    if (!is_of_the_path(error) || !root_is_fine(f)) {
        f->down = true;
        f->host->health(f->sink, FR_HEALTH_DOWN, "cannot %s %s: %s%s", what, out->path,
                        strerror(error), remedy(error));
        answer(f, failed, FR_RETRY);
        return;
    }
    *failed = (struct fr_out_list){0};
    while (d != NULL) {
        struct fr_delivery *next = d->plugin_data;

        d->plugin_data = NULL;
        f->host->fail(f->sink, d, FR_FAILED, "cannot %s %s: %s%s", what, out->path, strerror(error),
                      remedy(error));
        d = next;
    }
}

/* ---- syncing and closing --------------------------------------------------------- */

static void close_out(struct fr_files *f, struct fr_out *out)
{
    if (out->fd >= 0)
        f->open--;
    fr_out_close(out);
}

/* Index of a file's fate in gone_now: moved away or deleted. */
static size_t gone_index(enum fr_out_identity how)
{
    return how == FR_OUT_DELETED;
}

static const char *gone_word(size_t index)
{
    return index != 0 ? "deleted" : "moved away";
}

/* A file is gone. Deliveries that were written to a deleted one and are not durable are retried. Only
 * the first file of a second is logged by name: the log has a limit of lines for each sink. */
static void is_gone(struct fr_files *f, struct fr_out *out, enum fr_out_identity how,
                    struct fr_out_list *unsafe)
{
    size_t index = gone_index(how);

    f->gone++;
    if (f->gone_now[index]++ == 0)
        f->host->log(
            f->sink, FR_LOG_WARNING,
            "%s was %s while it was open; a new one is begun (files gone so far: %llu)%s",
            out->path, gone_word(index), (unsigned long long)f->gone,
            how == FR_OUT_DELETED
                ? "; what was written to it before is lost: use rotate_size and keep, or move it"
                : "");
    close_out(f, out);
    out->inode = 0;
    if (how == FR_OUT_DELETED)
        answer(f, unsafe, FR_RETRY);
}

/* Log how many files are gone besides those that is_gone() logged. */
static void log_gone(struct fr_files *f)
{
    for (size_t i = 0; i < 2; i++) {
        if (f->gone_now[i] > 1)
            f->host->log(
                f->sink, FR_LOG_WARNING, "%llu more files were %s (files gone so far: %llu)",
                (unsigned long long)f->gone_now[i] - 1, gone_word(i), (unsigned long long)f->gone);
        f->gone_now[i] = 0;
    }
}

/* Sync a file (unless it is known to be durable) and answer what waited. It may be closed then. */
static void sync_out(struct fr_files *f, struct fr_out *out, bool durable)
{
    struct fr_out_list done = {0}, failed = {0};
    enum fr_out_identity identity;

    if (out->fd < 0 || !out->unsynced)
        return;
    if (fr_out_sync(out, durable, &done, &failed) != 0) {
        f->open--;
        fail(f, "sync", out, &failed);
        return;
    }
    identity = fr_out_identity(out);
    if (identity != FR_OUT_SAME)
        is_gone(f, out, identity, &done);
    answer(f, &done, FR_DONE);
}

/* The first open file from here on. Open files are among the newest: who counts them can stop early. */
static struct fr_out *next_open(struct fr_out *out)
{
    while (out != NULL && out->fd < 0)
        out = out->older;
    return out;
}

static size_t count_unsynced(const struct fr_files *f)
{
    size_t count = 0, left = f->open;

    for (struct fr_out *out = next_open(f->table.newest); left-- != 0 && out != NULL;
         out = next_open(out->older))
        count += out->unsynced;
    return count;
}

/* Sync the file system with one call, which costs less than a call for each of many files. The
 * device on which all is durable then; 0: it failed, and each file has to say whether it did. */
static dev_t sync_file_system(const struct fr_files *f)
{
    const struct fr_out *out = next_open(f->table.newest);
    struct stat st;

    return out != NULL && fstat(out->fd, &st) == 0 && syncfs(out->fd) == 0 ? st.st_dev : 0;
}

/* All at once: the disk writes several while the first is waited for. */
void fr_files_sync(struct fr_files *f)
{
    bool together = count_unsynced(f) >= SYNC_TOGETHER_MIN;
    dev_t durable = together ? sync_file_system(f) : 0;
    size_t left;
    struct fr_out *out;

    for (out = next_open(f->table.newest), left = f->open; !together && left > 1 && out != NULL;
         left--) {
        fr_out_begin_sync(out);
        out = next_open(out->older);
    }
    for (out = next_open(f->table.newest), left = f->open; left != 0 && out != NULL; left--) {
        sync_out(f, out, durable != 0 && out->device == durable);
        out = left != 1 ? next_open(out->older) : NULL;
    }
}

/* Close the file that was not used longest. */
static void close_oldest(struct fr_files *f)
{
    struct fr_out *out = f->table.oldest;

    while (out != NULL && out->fd < 0)
        out = out->newer;
    if (out == NULL)
        return;
    if (out->unsynced && f->fsync == FR_FSYNC_BATCH)
        fr_files_sync(f);
    else if (f->fsync != FR_FSYNC_NEVER)
        sync_out(f, out, false);
    close_out(f, out);
}

/* ---- opening --------------------------------------------------------------------- */

static int open_out(struct fr_files *f, struct fr_out *out)
{
    bool mended = false;
    int status;

    while (f->open >= f->open_max)
        close_oldest(f);
    status = fr_out_open(out, &mended);
    if (status != 0 && (errno == EMFILE || errno == ENFILE) && f->open != 0) {
        f->open_max = f->open; /* the process has no more to give */
        close_oldest(f);
        status = fr_out_open(out, &mended);
    }
    if (status != 0)
        return -1;
    f->open++;
    if (mended)
        f->host->log(f->sink, FR_LOG_NOTICE, "%s ended in the middle of a record; mended",
                     out->path);
    return 0;
}

static struct fr_out *find_out(struct fr_files *f, const char *path, bool binary)
{
    struct fr_out *out = fr_out_table_find(&f->table, path);

    if (out != NULL) {
        fr_out_table_touch(&f->table, out);
        return out;
    }
    out = f->table.oldest;
    if (f->table.count >= FR_OUT_KNOWN_MAX && !out->dirty) {
        sync_out(f, out, false);
        close_out(f, out);
        fr_out_table_remove(&f->table, out);
        fr_out_free(out);
    }
    out = fr_out_new(path, binary);
    if (out != NULL)
        fr_out_table_add(&f->table, out);
    return out;
}

/* ---- a batch --------------------------------------------------------------------- */

void fr_files_begin(struct fr_files *f)
{
    f->down = f->degraded = false;
}

static void write_out(struct fr_files *f, struct fr_out *out)
{
    struct fr_out_list failed = {0};
    const char *what = out->fd < 0 ? "open" : "write";

    out->dirty = false;
    if (out->fd < 0 && open_out(f, out) != 0) {
        failed = out->gathered;
        out->gathered = (struct fr_out_list){0};
        out->len = 0;
        fail(f, what, out, &failed);
        return;
    }
    if (fr_out_write(out, &failed) != 0) {
        fail(f, "write", out, &failed);
        return;
    }
    if (f->fsync == FR_FSYNC_NEVER)
        answer(f, &out->written, FR_DONE);
}

/* Write what is gathered, but sync nothing. */
static void write_gathered(struct fr_files *f)
{
    while (f->dirty != NULL) {
        struct fr_out *out = f->dirty;

        f->dirty = out->next_dirty;
        out->next_dirty = NULL;
        write_out(f, out);
    }
    f->gathered = 0;
}

static void rotate_if_due(struct fr_files *f, struct fr_out *out)
{
    bool large = f->rotate_size > 0 && out->size >= f->rotate_size;
    bool old = f->rotate_every_ms > 0 && fr_clock_wall_ms() - out->opened_ms >= f->rotate_every_ms;

    if (out->fd < 0 || out->size <= 0 || (!large && !old))
        return;
    sync_out(f, out, false);
    if (out->fd < 0)
        return;
    close_out(f, out);
    if (fr_rotated_add(f->rotated, out->path) == 0)
        return;
    f->degraded = true;
    f->host->health(f->sink, FR_HEALTH_DEGRADED, "cannot rotate %s: %s%s", out->path,
                    strerror(errno), remedy(errno));
}

void fr_files_gather(struct fr_files *f, const char *path, bool binary, const void *bytes,
                     size_t len, struct fr_delivery *d)
{
    struct fr_out *out = find_out(f, path, binary);

    if (out != NULL && out->binary != binary) {
        f->host->fail(f->sink, d, FR_REFUSED,
                      "%s would hold both JSON and protobuf; put %%{type} in `path:` or give the "
                      "routes one format",
                      path);
        return;
    }
    if (out == NULL || !fr_out_gather(out, bytes, len, d)) {
        f->host->done(f->sink, d, FR_RETRY);
        return;
    }
    if (!out->dirty) {
        out->dirty = true;
        out->next_dirty = f->dirty;
        f->dirty = out;
    }
    f->gathered += len;
    if (f->gathered >= GATHERED_MAX)
        write_gathered(f);
}

void fr_files_write(struct fr_files *f)
{
    struct fr_out *out;

    write_gathered(f);
    out = f->table.newest;
    if (f->fsync == FR_FSYNC_BATCH)
        fr_files_sync(f);
    for (size_t left = f->open; left != 0 && (out = next_open(out)) != NULL; left--) {
        rotate_if_due(f, out);
        out = out->older;
    }
}

/* ---- looking after --------------------------------------------------------------- */

static void look_after(struct fr_files *f, struct fr_out *out)
{
    enum fr_out_identity identity = fr_out_identity(out);

    if (identity == FR_OUT_SAME) {
        rotate_if_due(f, out);
        return;
    }
    if (identity == FR_OUT_MOVED) /* all goes into the file that was moved */
        sync_out(f, out, false);
    if (out->fd >= 0) /* sync_out() may have noticed, too */
        is_gone(f, out, identity, &out->written);
}

void fr_files_look_after(struct fr_files *f)
{
    struct fr_out *out = f->table.newest;

    for (size_t left = f->open; left != 0 && (out = next_open(out)) != NULL; left--) {
        look_after(f, out);
        out = out->older;
    }
    log_gone(f);
}

void fr_files_end(struct fr_files *f)
{
    fr_files_sync(f);
    while (f->table.newest != NULL) {
        struct fr_out *out = f->table.newest;

        fr_out_table_remove(&f->table, out);
        fr_out_free(out);
    }
}
