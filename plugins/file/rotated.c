#include "rotated.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "compress.h"
#include "leftovers.h"
#include "rotated_name.h"
#include "text_buffer.h"

struct fr_rotated {
    struct fr_sink *sink;
    const struct fr_host *host;
    size_t keep;
    struct fr_compress *compress;   /* NULL: no compression */
    struct fr_leftovers *leftovers; /* NULL: no compression */
    bool skipped;                   /* the queue was full: search again when it is empty */
};

/* ---- the rotated files of a path ------------------------------------------------- */

struct rotated_file {
    uint64_t sequence;
    char *name;
};

struct rotated_files {
    struct rotated_file *file;
    size_t count, capacity;
    DIR *dir;
};

static void rotated_files_free(struct rotated_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->file[i].name);
    free(files->file);
    if (files->dir != NULL)
        closedir(files->dir);
}

static int rotated_files_add(struct rotated_files *files, uint64_t sequence, const char *name)
{
    if (files->count == files->capacity) {
        size_t capacity = files->capacity != 0 ? files->capacity * 2 : 64;
        struct rotated_file *more = realloc(files->file, capacity * sizeof *more);

        if (more == NULL)
            return -1;
        files->file = more;
        files->capacity = capacity;
    }
    files->file[files->count] = (struct rotated_file){sequence, strdup(name)};
    if (files->file[files->count].name == NULL)
        return -1;
    files->count++;
    return 0;
}

/* List the rotated files of a path. Returns 0, or -1 with errno. Free *files in both cases. */
static int rotated_files_list(struct rotated_files *files, const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
    char *folder = slash != NULL ? strndup(path, (size_t)(slash - path + 1)) : strdup(".");
    struct dirent *entry;
    uint64_t sequence;

    *files = (struct rotated_files){0};
    if (folder != NULL)
        files->dir = opendir(folder);
    free(folder);
    if (files->dir == NULL)
        return -1;
    while ((errno = 0, entry = readdir(files->dir)) != NULL) {
        enum fr_rotated_kind kind = fr_rotated_kind(entry->d_name, base, &sequence);

        if ((kind == FR_ROTATED_PLAIN || kind == FR_ROTATED_COMPRESSED) &&
            rotated_files_add(files, sequence, entry->d_name) != 0) {
            errno = ENOMEM;
            return -1;
        }
    }
    return errno == 0 ? 0 : -1;
}

static int rotated_by_sequence(const void *a, const void *b)
{
    const struct rotated_file *x = a, *y = b;

    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

/* Remove the oldest files so that `keep` remain, including the newest one, which is not in the
 * list. */
static void rotated_remove_oldest(struct fr_rotated *r, const struct rotated_files *files)
{
    for (size_t i = 0; i + r->keep < files->count + 1; i++)
        if (unlinkat(dirfd(files->dir), files->file[i].name, 0) != 0 && errno != ENOENT)
            r->host->log(r->sink, FR_LOG_WARNING, "cannot remove the old file %s: %s",
                         files->file[i].name, strerror(errno));
}

/* ---- compression ----------------------------------------------------------------- */

static bool rotated_found(void *ctx, const char *path)
{
    struct fr_rotated *r = ctx;

    r->skipped = !fr_compress_add(r->compress, path);
    return !r->skipped;
}

static void rotated_emptied(void *ctx)
{
    struct fr_rotated *r = ctx;

    if (r->skipped && r->leftovers != NULL)
        fr_leftovers_restart(r->leftovers);
    r->skipped = false;
}

int fr_rotated_add(struct fr_rotated *r, const char *path)
{
    struct fr_text_buffer name = {0};
    struct rotated_files files;
    uint64_t sequence = 0;
    int status = rotated_files_list(&files, path);

    if (status == 0) {
        if (files.count != 0) {
            qsort(files.file, files.count, sizeof files.file[0], rotated_by_sequence);
            sequence = files.file[files.count - 1].sequence;
        }
        fr_text_buffer_add(&name, path);
        fr_rotated_suffix(&name, sequence + 1, time(NULL));
        errno = ENOMEM;
        status = name.failed ? -1 : rename(path, name.bytes);
    }
    if (status == 0 && r->keep > 0)
        rotated_remove_oldest(r, &files);
    if (status == 0 && r->compress != NULL && !fr_compress_add(r->compress, name.bytes))
        r->skipped = true;
    rotated_files_free(&files);
    fr_text_buffer_free(&name);
    return status;
}

/* ---- creation -------------------------------------------------------------------- */

struct fr_rotated *fr_rotated_new(struct fr_sink *sink, const struct fr_host *host)
{
    enum fr_compression method = (enum fr_compression)host->number(sink, "compress");
    struct fr_rotated *r = calloc(1, sizeof *r);

    if (r == NULL)
        return NULL;
    r->sink = sink;
    r->host = host;
    r->keep = (size_t)host->number(sink, "keep");
    if (method == FR_COMPRESS_NONE)
        return r;
    r->compress = fr_compress_new(sink, host, method, rotated_emptied, r);
    if (r->compress != NULL)
        r->leftovers =
            fr_leftovers_new(host->event_base(sink), host->text(sink, "path"), rotated_found, r);
    if (r->leftovers != NULL)
        return r;
    fr_rotated_free(r);
    return NULL;
}

void fr_rotated_free(struct fr_rotated *r)
{
    if (r == NULL)
        return;
    fr_leftovers_free(r->leftovers);
    fr_compress_free(r->compress);
    free(r);
}
