#include "journal/store_open.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/lock_file.h"
#include "journal/store_base.h"
#include "journal/store_read.h"
#include "journal/store_write.h"
#include "util/files.h"
#include "util/memory.h"

#define FORMAT 1
#define DATABASES 3
#define SPARE_BYTES (64u << 20) /* of the map beyond size and a quarter */

static int store_open_databases(struct fr_store *store, unsigned flags, struct fr_error *error)
{
    unsigned txn_flags = flags & MDB_RDONLY, create = flags & MDB_CREATE;
    MDB_txn *txn;
    int code = mdb_txn_begin(store->env, NULL, txn_flags, &txn);

    if (code != 0)
        return fr_store_failed(store, error, "begin", code);
    if ((code = mdb_dbi_open(txn, "about", create, &store->about)) == 0 &&
        (code = mdb_dbi_open(txn, "records", create | MDB_INTEGERKEY, &store->records)) == 0 &&
        (code = mdb_dbi_open(txn, "cursors", create, &store->cursors)) == 0)
        code = mdb_txn_commit(txn);
    else
        mdb_txn_abort(txn);
    if (code == MDB_NOTFOUND || code == MDB_INCOMPATIBLE)
        return fr_error_set(
            error,
            "journal %s: its LMDB environment is not a journal, or is broken; it "
            "is left unchanged (choose another `journal: path:`, or try `fleetroute "
            "journal salvage`)",
            store->path);
    return code == 0 ? 0 : fr_store_failed(store, error, "open its databases", code);
}

static struct fr_store *store_new(const char *path)
{
    struct fr_store *store = fr_calloc(1, sizeof *store);
    pthread_rwlockattr_t attributes;

    store->path = fr_strdup(path);
    store->lock_fd = -1;
    pthread_mutex_init(&store->writing, NULL);
    pthread_mutex_init(&store->readers_lock, NULL);
    pthread_rwlockattr_init(&attributes);
    /* By default a stream of readers blocks fr_store_reopen() without end. */
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&store->env_lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    return store;
}

static int store_refuse_data(struct fr_store *store, const char *path, struct fr_error *error)
{
    store->fault = FR_STORE_DAMAGED;
    return fr_error_set(error,
                        "journal %s: data.mdb is no journal, or is cut; it is left unchanged (move "
                        "it away to create a new journal, or try `fleetroute journal salvage`)",
                        path);
}

static int store_open_env(struct fr_store *store, const char *path, struct fr_error *error)
{
    int code = mdb_env_create(&store->env);
    char *lock;

    if (code != 0)
        return fr_store_write_failed(store, error, "begin", code);
    mdb_env_set_maxdbs(store->env, DATABASES);
    if (store->map_limit != 0)
        mdb_env_set_mapsize(store->env, store->map_limit);
    lock = fr_asprintf(store->flags & MDB_NOSUBDIR ? "%s-lock" : "%s/lock.mdb", path);
    code = fr_lock_file_reserve(lock);
    free(lock);
    if (code == 0 ||
        (code == EROFS && store->flags & MDB_RDONLY)) /* LMDB needs no lock file then */
        code = mdb_env_open(store->env, path, MDB_NOTLS | store->flags, 0640);
    if (code == MDB_INVALID || code == MDB_VERSION_MISMATCH)
        return store_refuse_data(store, path, error);
    return code == 0 ? 0 : fr_store_write_failed(store, error, "open it", code);
}

/* The size of data.mdb in bytes; -1: it does not exist. */
static long long store_data_size(const char *path)
{
    char *data = fr_asprintf("%s/data.mdb", path);
    struct stat st;
    long long size = stat(data, &st) == 0 ? (long long)st.st_size : -1;

    free(data);
    return size;
}

/* Refuse a folder that holds files which do not belong to a journal. */
static int store_check_folder(const char *path, struct fr_error *error)
{
    static const char *const allowed[] = {".",      "..",       "new.mdb",  "new.mdb-lock",
                                          "values", "lock.mdb", "salvaged", "lost+found"};
    DIR *folder = opendir(path);
    struct dirent *entry;
    int status = 0;

    if (folder == NULL)
        return fr_error_set(error, "journal %s: cannot be read: %s", path, strerror(errno));
    while (status == 0 && (entry = readdir(folder)) != NULL) {
        bool known = false;

        for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
            known = known || strcmp(entry->d_name, allowed[i]) == 0;
        if (!known)
            status = fr_error_set(
                error,
                "journal %s: has no data.mdb, and holds %s, which does not belong to a "
                "journal (choose another `journal: path:`, or move %s away)",
                path, entry->d_name, entry->d_name);
    }
    closedir(folder);
    return status;
}

/* Create an empty journal under another name, then rename it: a partly written file is never opened
 * as an empty journal. The other name is in the same folder because Landlock permits no rename
 * between folders. The caller holds the folder's lock. */
static int store_create(const char *path, struct fr_error *error)
{
    char *data = fr_asprintf("%s/data.mdb", path), *new = fr_asprintf("%s/new.mdb", path);
    char *lock = fr_asprintf("%s/new.mdb-lock", path);
    struct fr_store *store = store_new(path);
    int status = store_check_folder(path, error);

    unlink(new);
    store->flags = MDB_NOSUBDIR;
    store->map_limit = 1u << 20;
    store->next_file_check_ms = INT64_MAX; /* data.mdb does not exist yet */
    if (status == 0 && (status = store_open_env(store, new, error)) == 0 &&
        (status = store_open_databases(store, MDB_CREATE, error)) == 0 &&
        (status = fr_store_begin(store, error)) == 0) {
        status = fr_store_put_number(store, "format", FORMAT, error);
        if (status == 0)
            status = fr_store_commit(store, error);
        else
            fr_store_abort(store);
    }
    fr_store_close(store);
    unlink(lock);
    if (status == 0 && (rename(new, data) != 0 || fr_sync_folder(path) != 0))
        status = fr_error_set(error, "journal %s: cannot be created: %s", path, strerror(errno));
    free(data);
    free(new);
    free(lock);
    return status;
}

/* LMDB does not check the file's length against its last page number. Reading beyond the end of the
 * file raises SIGBUS. */
static int store_check_length(struct fr_store *store, struct fr_error *error)
{
    MDB_envinfo info;
    MDB_stat stat_;
    long long size = store_data_size(store->path);

    if (size < 0 || mdb_env_info(store->env, &info) != 0 || mdb_env_stat(store->env, &stat_) != 0)
        return fr_error_set(error, "journal %s: data.mdb cannot be examined", store->path);
    store->page_size = stat_.ms_psize;
    if ((uint64_t)size / stat_.ms_psize >= (uint64_t)info.me_last_pgno + 1)
        return 0;
    store->fault = FR_STORE_DAMAGED;
    return fr_error_set(
        error,
        "journal %s: data.mdb is cut: it has %lld bytes and should have %llu; it "
        "is left unchanged (move it away to create a new journal, or try `fleetroute "
        "journal salvage`)",
        store->path, size, ((unsigned long long)info.me_last_pgno + 1) * stat_.ms_psize);
}

/* Find the address of the mapped file, for store_release_pages(). LMDB has no function for it. */
static void store_find_map(struct fr_store *store)
{
    char line[PATH_MAX + 128], data[PATH_MAX];
    char *real;
    FILE *maps = fopen("/proc/self/maps", "r");

    snprintf(data, sizeof data, "%s/data.mdb", store->path);
    real = realpath(data, NULL);
    store->map = NULL;
    while (maps != NULL && real != NULL && fgets(line, sizeof line, maps) != NULL) {
        uintptr_t from, to;
        size_t len = strlen(line);

        if (len > 0 && line[len - 1] == '\n')
            line[len - 1] = '\0';
        if (strstr(line, real) != NULL && sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &from, &to) == 2) {
            store->map = (void *)from;
            store->map_size = to - from;
        }
    }
    free(real);
    if (maps != NULL)
        fclose(maps);
}

static int store_check_format(struct fr_store *store, struct fr_error *error)
{
    struct fr_store_reader *reader = fr_store_reader_new(store, error);
    uint64_t format = 0;
    int status = -1;

    if (reader != NULL)
        status = fr_store_number(reader, "format", &format, error);
    fr_store_reader_free(reader);
    if (status == 0 && format == 0) {
        store->fault = FR_STORE_DAMAGED;
        return fr_error_set(
            error,
            "journal %s: broken: its format number is missing; it is left unchanged "
            "(`fleetroute journal salvage` creates a new journal from its readable records)",
            store->path);
    }
    if (status == 0 && format != FORMAT)
        return fr_error_set(
            error,
            "journal %s: has format %llu, this fleetroute supports format %d; it is "
            "left unchanged",
            store->path, (unsigned long long)format, FORMAT);
    return status;
}

/* The limit of the file for `size` bytes of records: a quarter and 64 MB more, for branch pages,
 * unused space between records and the pages of the open transaction. A larger file keeps its
 * size. */
static size_t store_map_limit(const char *path, uint64_t size)
{
    uint64_t limit = size + size / 4 + SPARE_BYTES;
    long long file = store_data_size(path);

    if (file > 0 && (uint64_t)file + SPARE_BYTES > limit)
        limit = (uint64_t)file + SPARE_BYTES;
    return (size_t)limit;
}

/* Open the environment at the store's path. On failure the environment is closed. */
static int store_open_file(struct fr_store *store, struct fr_error *error)
{
    int dead, status = -1;

    if (store_data_size(store->path) == 0) /* LMDB treats an empty file as a new one */
        return store_refuse_data(store, store->path, error);
    if (store_open_env(store, store->path, error) == 0 && store_check_length(store, error) == 0 &&
        store_open_databases(store, store->flags, error) == 0) {
        store->next = fr_store_find_next(store);
        store->extended = 0;
        store_find_map(store);
        mdb_reader_check(store->env, &dead); /* free the slots of killed processes */
        status = 0;
    }
    if (status != 0 && store->env != NULL) {
        mdb_env_close(store->env);
        store->env = NULL;
    }
    return status;
}

static struct fr_store *store_open_at(const char *path, size_t limit, unsigned flags, int lock,
                                      struct fr_error *error)
{
    struct fr_store *store = store_new(path);

    store->lock_fd = lock;
    store->flags = flags;
    store->map_limit = limit;
    if (store_open_file(store, error) == 0 && store_check_format(store, error) == 0)
        return store;
    fr_store_close(store);
    return NULL;
}

/* The folder itself is locked: unlike a lock file it cannot be deleted while the journal exists. */
int fr_store_lock(const char *path, struct fr_error *error)
{
    int lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (lock < 0)
        return fr_error_set(error, "journal %s: cannot be opened: %s", path, strerror(errno));
    if (flock(lock, LOCK_EX | LOCK_NB) == 0)
        return lock;
    fr_error_set(error, "journal %s: another fleetrouted has it locked", path);
    close(lock);
    return -1;
}

struct fr_store *fr_store_open(const char *path, uint64_t size, struct fr_error *error)
{
    int lock;

    if (fr_make_folders(path, error) != 0 || (lock = fr_store_lock(path, error)) < 0)
        return NULL;
    if (store_data_size(path) < 0 && store_create(path, error) != 0) {
        close(lock);
        return NULL;
    }
    return store_open_at(path, store_map_limit(path, size), 0, lock, error);
}

struct fr_store *fr_store_open_readonly(const char *path, bool read_only, struct fr_error *error)
{
    int lock = -1;

    if (store_data_size(path) < 0) {
        fr_error_set(error, "there is no journal at %s", path);
        return NULL;
    }
    if (!read_only && (lock = fr_store_lock(path, error)) < 0)
        return NULL;
    return store_open_at(path, 0, read_only ? MDB_RDONLY : 0, lock, error);
}

int fr_store_reopen(struct fr_store *store, uint64_t size, struct fr_error *error)
{
    int code, status;

    pthread_mutex_lock(&store->writing);
    pthread_rwlock_wrlock(&store->env_lock);
    pthread_mutex_lock(&store->readers_lock);
    for (struct fr_store_reader *r = store->readers; r != NULL; r = r->next) {
        if (r->txn != NULL)
            mdb_txn_abort(r->txn);
        r->txn = NULL;
    }
    pthread_mutex_unlock(&store->readers_lock);
    if (store->env != NULL)
        mdb_env_close(store->env);
    store->env = NULL;
    store->map_limit = store_map_limit(store->path, size);
    status = store_open_file(store, error);
    /* After a failed write of a meta page LMDB restores the previous one in the page cache. It must
     * be on disk before a new transaction reuses the pages of the failed transaction. */
    if (status == 0 && (code = mdb_env_sync(store->env, 1)) != 0) {
        status = fr_store_write_failed(store, error, "synchronise it", code);
        mdb_env_close(store->env);
        store->env = NULL;
    }
    pthread_rwlock_unlock(&store->env_lock);
    pthread_mutex_unlock(&store->writing);
    return status;
}

bool fr_store_exists(const char *path)
{
    return store_data_size(path) >= 0;
}

struct fr_store *fr_store_inspect(const char *path, bool writable, struct fr_error *error)
{
    return store_open_at(path, store_map_limit(path, 0), writable ? 0 : MDB_RDONLY, -1, error);
}

void fr_store_close(struct fr_store *store)
{
    if (store == NULL)
        return;
    if (store->txn != NULL)
        mdb_txn_abort(store->txn);
    if (store->env != NULL)
        mdb_env_close(store->env);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    pthread_mutex_destroy(&store->writing);
    pthread_mutex_destroy(&store->readers_lock);
    pthread_rwlock_destroy(&store->env_lock);
    free(store->path);
    free(store);
}
