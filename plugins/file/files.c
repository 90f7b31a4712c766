#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock_ms.h"
#include "file_errors.h"

#define SYNC_TOGETHER_MIN 8    /* from this number of unsynced files on, syncfs() is used */
#define GATHERED_MAX (1 << 20) /* bytes in memory before they are written */

/* ---- answers --------------------------------------------------------------------- */

static void files_answer(struct fr_files *f, struct delivery_list *list, enum fr_outcome outcome)
{
    struct fr_delivery *d;

    while ((d = delivery_list_take(list)) != NULL)
        f->host->done(f->sink, d, outcome);
}

/* Answer failed deliveries, with the cause in errno. If only this path is unusable, its deliveries
 * are answered FR_FAILED, so that other paths are not delayed. */
static void files_fail(struct fr_files *f, const char *what, const struct fr_out *out,
                       struct delivery_list *failed)
{
    int error = errno;
    struct fr_delivery *d;

    if (!fr_file_error_is_of_path(error) || !fr_file_root_is_usable(f->pattern)) {
        f->down = true;
        f->host->health(f->sink, FR_HEALTH_DOWN, "cannot %s %s: %s%s", what, out->path,
                        strerror(error), fr_file_error_remedy(error));
        files_answer(f, failed, FR_RETRY);
        return;
    }
    while ((d = delivery_list_take(failed)) != NULL)
        f->host->fail(f->sink, d, FR_FAILED, "cannot %s %s: %s%s", what, out->path, strerror(error),
                      fr_file_error_remedy(error));
}

/* ---- syncing and closing --------------------------------------------------------- */

static void files_close_out(struct fr_files *f, struct fr_out *out)
{
    if (out->fd >= 0)
        f->open--;
    fr_out_close(out);
}

/* Index in lost_now. */
static size_t files_lost_index(enum fr_out_identity how)
{
    return how == FR_OUT_DELETED;
}

static const char *files_lost_word(size_t index)
{
    return index != 0 ? "deleted" : "moved away";
}

/* An open file was moved or deleted. Deliveries that were written to a deleted file and are not
 * durable are retried. Only the first file in a second is logged by name, because the log limits
 * the lines of each sink. */
static void files_handle_lost(struct fr_files *f, struct fr_out *out, enum fr_out_identity how,
                              struct delivery_list *unsafe)
{
    size_t index = files_lost_index(how);

    f->lost++;
    if (f->lost_now[index]++ == 0)
        f->host->log(
            f->sink, FR_LOG_WARNING,
            "%s was %s while it was open; a new one is begun (files moved or deleted so far: "
            "%llu)%s",
            out->path, files_lost_word(index), (unsigned long long)f->lost,
            how == FR_OUT_DELETED
                ? "; what was written to it before is lost: use rotate_size and keep, or move it"
                : "");
    files_close_out(f, out);
    out->inode = 0;
    if (how == FR_OUT_DELETED)
        files_answer(f, unsafe, FR_RETRY);
}

/* Log the number of lost files that files_handle_lost() did not log. */
static void files_log_lost(struct fr_files *f)
{
    for (size_t i = 0; i < 2; i++) {
        if (f->lost_now[i] > 1)
            f->host->log(f->sink, FR_LOG_WARNING,
                         "%llu more files were %s (files moved or deleted so far: %llu)",
                         (unsigned long long)f->lost_now[i] - 1, files_lost_word(i),
                         (unsigned long long)f->lost);
        f->lost_now[i] = 0;
    }
}

/* Sync a file, unless it is known to be durable, and answer its written deliveries. May close
 * it. */
static void files_sync_out(struct fr_files *f, struct fr_out *out, bool durable)
{
    struct delivery_list done = {0}, failed = {0};
    enum fr_out_identity identity;

    if (out->fd < 0 || !out->unsynced)
        return;
    if (fr_out_sync(out, durable, &done, &failed) != 0) {
        f->open--;
        files_fail(f, "sync", out, &failed);
        return;
    }
    identity = fr_out_identity(out);
    if (identity != FR_OUT_SAME)
        files_handle_lost(f, out, identity, &done);
    files_answer(f, &done, FR_DONE);
}

/* The first open file in the order of age, from `out` on. Callers count open files to stop
 * early. */
static struct fr_out *files_next_open(struct fr_out *out)
{
    while (out != NULL && out->fd < 0)
        out = out->older;
    return out;
}

static size_t files_count_unsynced(const struct fr_files *f)
{
    size_t count = 0, left = f->open;

    for (struct fr_out *out = files_next_open(f->table.newest); left-- != 0 && out != NULL;
         out = files_next_open(out->older))
        count += out->unsynced;
    return count;
}

/* Sync the whole file system, which costs less than one call for each of many files. Returns the
 * device that is durable; 0: the call failed, and each file must be synced. */
static dev_t files_sync_file_system(const struct fr_files *f)
{
    const struct fr_out *out = files_next_open(f->table.newest);
    struct stat st;

    return out != NULL && fstat(out->fd, &st) == 0 && syncfs(out->fd) == 0 ? st.st_dev : 0;
}

/* Start writing back all files before waiting for the first, so that the disk works in parallel. */
void fr_files_sync(struct fr_files *f)
{
    bool together = files_count_unsynced(f) >= SYNC_TOGETHER_MIN;
    dev_t durable = together ? files_sync_file_system(f) : 0;
    size_t left;
    struct fr_out *out;

    for (out = files_next_open(f->table.newest), left = f->open;
         !together && left > 1 && out != NULL; left--) {
        fr_out_begin_sync(out);
        out = files_next_open(out->older);
    }
    for (out = files_next_open(f->table.newest), left = f->open; left != 0 && out != NULL; left--) {
        files_sync_out(f, out, durable != 0 && out->device == durable);
        out = left != 1 ? files_next_open(out->older) : NULL;
    }
}

/* Close the least recently used file. */
static void files_close_oldest(struct fr_files *f)
{
    struct fr_out *out = f->table.oldest;

    while (out != NULL && out->fd < 0)
        out = out->newer;
    if (out == NULL)
        return;
    if (out->unsynced && f->fsync == FR_FSYNC_BATCH)
        fr_files_sync(f);
    else if (f->fsync != FR_FSYNC_NEVER)
        files_sync_out(f, out, false);
    files_close_out(f, out);
}

/* ---- opening --------------------------------------------------------------------- */

static int files_open_out(struct fr_files *f, struct fr_out *out)
{
    bool repaired = false;
    int status;

    while (f->open >= f->open_max)
        files_close_oldest(f);
    status = fr_out_open(out, &repaired);
    if (status != 0 && (errno == EMFILE || errno == ENFILE) && f->open != 0) {
        f->open_max = f->open; /* the process has no more descriptors */
        files_close_oldest(f);
        status = fr_out_open(out, &repaired);
    }
    if (status != 0)
        return -1;
    f->open++;
    if (repaired)
        f->host->log(f->sink, FR_LOG_NOTICE, "%s ended in the middle of a record and was repaired",
                     out->path);
    return 0;
}

static struct fr_out *files_find_out(struct fr_files *f, const char *path, bool binary)
{
    struct fr_out *out = fr_out_table_find(&f->table, path);

    if (out != NULL) {
        fr_out_table_touch(&f->table, out);
        return out;
    }
    out = f->table.oldest;
    if (f->table.count >= FR_OUT_KNOWN_MAX && !out->dirty) {
        files_sync_out(f, out, false);
        files_close_out(f, out);
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

static void files_write_out(struct fr_files *f, struct fr_out *out)
{
    struct delivery_list failed = {0};
    const char *what = out->fd < 0 ? "open" : "write";

    out->dirty = false;
    if (out->fd < 0 && files_open_out(f, out) != 0) {
        failed = out->gathered;
        out->gathered = (struct delivery_list){0};
        out->len = 0;
        files_fail(f, what, out, &failed);
        return;
    }
    if (fr_out_write(out, &failed) != 0) {
        files_fail(f, "write", out, &failed);
        return;
    }
    if (f->fsync == FR_FSYNC_NEVER)
        files_answer(f, &out->written, FR_DONE);
}

/* Write all gathered bytes without syncing. */
static void files_write_gathered(struct fr_files *f)
{
    while (f->dirty != NULL) {
        struct fr_out *out = f->dirty;

        f->dirty = out->next_dirty;
        out->next_dirty = NULL;
        files_write_out(f, out);
    }
    f->gathered = 0;
}

static void files_rotate_if_due(struct fr_files *f, struct fr_out *out)
{
    bool large = f->rotate_size > 0 && out->size >= f->rotate_size;
    bool old = f->rotate_every_ms > 0 && fr_clock_wall_ms() - out->opened_ms >= f->rotate_every_ms;

    if (out->fd < 0 || out->size <= 0 || (!large && !old))
        return;
    files_sync_out(f, out, false);
    if (out->fd < 0)
        return;
    files_close_out(f, out);
    if (fr_rotated_add(f->rotated, out->path) == 0)
        return;
    f->degraded = true;
    f->host->health(f->sink, FR_HEALTH_DEGRADED, "cannot rotate %s: %s%s", out->path,
                    strerror(errno), fr_file_error_remedy(errno));
}

void fr_files_gather(struct fr_files *f, const char *path, bool binary, const void *bytes,
                     size_t len, struct fr_delivery *d)
{
    struct fr_out *out = files_find_out(f, path, binary);

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
        files_write_gathered(f);
}

void fr_files_write(struct fr_files *f)
{
    struct fr_out *out;

    files_write_gathered(f);
    out = f->table.newest;
    if (f->fsync == FR_FSYNC_BATCH)
        fr_files_sync(f);
    for (size_t left = f->open; left != 0 && (out = files_next_open(out)) != NULL; left--) {
        files_rotate_if_due(f, out);
        out = out->older;
    }
}

/* ---- maintenance ----------------------------------------------------------------- */

static void files_maintain_out(struct fr_files *f, struct fr_out *out)
{
    enum fr_out_identity identity = fr_out_identity(out);

    if (identity == FR_OUT_SAME) {
        files_rotate_if_due(f, out);
        return;
    }
    if (identity == FR_OUT_MOVED) /* complete the file at its new path */
        files_sync_out(f, out, false);
    if (out->fd >= 0) /* files_sync_out() may have handled it */
        files_handle_lost(f, out, identity, &out->written);
}

void fr_files_maintain(struct fr_files *f)
{
    struct fr_out *out = f->table.newest;

    for (size_t left = f->open; left != 0 && (out = files_next_open(out)) != NULL; left--) {
        files_maintain_out(f, out);
        out = out->older;
    }
    files_log_lost(f);
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
