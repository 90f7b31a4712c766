#include "journal/journal_store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/stored_record.h"
#include "util/files.h"
#include "util/memory.h"

#define FORMAT 1
#define DATABASES 4
#define NAME_MAX_LEN 255
#define VALUE_HEAD 16
/* Pages of the map that were read stay in resident memory; give them back after so much. */
#define READ_KEPT (16u << 20)

struct fr_store {
    MDB_env *env;
    char *path;
    int lock; /* held while a daemon has the journal; -1: a visitor */
    MDB_dbi records, cursors, values, about;
    pthread_mutex_t writing; /* held by who has txn */
    MDB_txn *txn;
    uint64_t next, committed; /* the second as it was before txn */
    unsigned page_size;
    void *map;
    size_t map_size;
    _Atomic size_t read_bytes;
};

struct fr_store_reader {
    struct fr_store *store;
    MDB_txn *txn;
};

static int failed(const struct fr_store *store, struct fr_error *error, const char *what, int code)
{
    return fr_error_set(error, "journal %s: cannot %s: %s", store->path, what, mdb_strerror(code));
}

/* A failure of a write; a full disk is told from others, because it passes. */
static int write_failed(const struct fr_store *store, bool *full, struct fr_error *error,
                        const char *what, int code)
{
    *full = code == ENOSPC || code == EDQUOT || code == MDB_MAP_FULL;
    return failed(store, error, what, code);
}

/* ---- opening --------------------------------------------------------------------- */

static int open_databases(struct fr_store *store, unsigned flags, struct fr_error *error)
{
    unsigned txn_flags = flags & MDB_RDONLY, create = flags & MDB_CREATE;
    MDB_txn *txn;
    int code = mdb_txn_begin(store->env, NULL, txn_flags, &txn);

    if (code != 0)
        return failed(store, error, "begin", code);
    if ((code = mdb_dbi_open(txn, "about", create, &store->about)) == 0 &&
        (code = mdb_dbi_open(txn, "records", create | MDB_INTEGERKEY, &store->records)) == 0 &&
        (code = mdb_dbi_open(txn, "cursors", create, &store->cursors)) == 0 &&
        (code = mdb_dbi_open(txn, "values", create, &store->values)) == 0)
        code = mdb_txn_commit(txn);
    else
        mdb_txn_abort(txn);
    if (code == MDB_NOTFOUND || code == MDB_INCOMPATIBLE)
        return fr_error_set(error,
                            "journal %s: holds an LMDB environment of something else; it is left "
                            "as it is (choose another `journal: path:`)",
                            store->path);
    return code == 0 ? 0 : failed(store, error, "open its databases", code);
}

static struct fr_store *new_store(const char *path)
{
    struct fr_store *store = fr_calloc(1, sizeof *store);

    store->path = fr_strdup(path);
    store->lock = -1;
    pthread_mutex_init(&store->writing, NULL);
    return store;
}

static int no_journal(const char *path, struct fr_error *error)
{
    return fr_error_set(error,
                        "journal %s: data.mdb is no journal, or is cut; it is left as it is (move "
                        "it away to begin a new journal)",
                        path);
}

static int open_env(struct fr_store *store, const char *path, uint64_t map_size, unsigned flags,
                    struct fr_error *error)
{
    int code = mdb_env_create(&store->env);

    if (code != 0)
        return failed(store, error, "begin", code);
    mdb_env_set_maxdbs(store->env, DATABASES);
    if (map_size != 0)
        mdb_env_set_mapsize(store->env, (size_t)map_size);
    code = mdb_env_open(store->env, path, MDB_NOTLS | flags, 0640);
    if (code == MDB_INVALID || code == MDB_VERSION_MISMATCH)
        return no_journal(path, error);
    return code == 0 ? 0 : failed(store, error, "open it", code);
}

static int sync_folder_of(const char *path)
{
    char *copy = fr_strdup(path), *slash = strrchr(copy, '/');
    int status;

    if (slash != NULL)
        *slash = '\0';
    status = fr_sync_folder(slash == NULL ? "." : slash == copy ? "/" : copy);
    free(copy);
    return status;
}

/* A new journal is made beside its place and moved there, so that one that is half made, or
 * cut to nothing, is never taken for an empty one. */
static int create(const char *path, struct fr_error *error)
{
    char *beside = fr_asprintf("%s.new", path);
    char *data = fr_asprintf("%s/data.mdb", beside), *lock = fr_asprintf("%s/lock.mdb", beside);
    struct fr_store *store = new_store(path);
    int status = -1;
    bool full;

    unlink(data);
    unlink(lock);
    if (fr_make_folders(beside, error) == 0 && open_env(store, beside, 1u << 20, 0, error) == 0 &&
        open_databases(store, MDB_CREATE, error) == 0 && fr_store_begin(store, error) == 0) {
        if (fr_store_put_number(store, "format", FORMAT, &full, error) == 0)
            status = fr_store_commit(store, &full, error);
        else
            fr_store_abort(store);
    }
    fr_store_close(store);
    unlink(lock);
    if (status == 0 &&
        (fr_sync_folder(beside) != 0 || rename(beside, path) != 0 || sync_folder_of(path) != 0))
        status = fr_error_set(error,
                              "journal %s: cannot be made: %s (is there something else in that "
                              "folder?)",
                              path, strerror(errno));
    free(beside);
    free(data);
    free(lock);
    return status;
}

/* -1: there is none; else how many bytes it has. */
static long long data_size(const char *path)
{
    char *data = fr_asprintf("%s/data.mdb", path);
    struct stat st;
    long long size = stat(data, &st) == 0 ? (long long)st.st_size : -1;

    free(data);
    return size;
}

/* LMDB trusts the file to be as long as its last page says; reading beyond would kill us. */
static int check_length(struct fr_store *store, struct fr_error *error)
{
    MDB_envinfo info;
    MDB_stat stat_;
    struct stat st;
    char *data = fr_asprintf("%s/data.mdb", store->path);
    int status = stat(data, &st);

    free(data);
    if (status != 0 || mdb_env_info(store->env, &info) != 0 || mdb_env_stat(store->env, &stat_))
        return fr_error_set(error, "journal %s: data.mdb cannot be examined", store->path);
    store->page_size = stat_.ms_psize;
    if ((uint64_t)st.st_size / stat_.ms_psize < (uint64_t)info.me_last_pgno + 1)
        return fr_error_set(error,
                            "journal %s: data.mdb is cut: it has %lld bytes and should have "
                            "%llu; it is left as it is (move it away to begin a new journal)",
                            store->path, (long long)st.st_size,
                            ((unsigned long long)info.me_last_pgno + 1) * stat_.ms_psize);
    return 0;
}

/* Where the file is mapped, to give pages back. LMDB does not tell, the kernel does. */
static void find_map(struct fr_store *store)
{
    char line[PATH_MAX + 128], data[PATH_MAX];
    char *real;
    FILE *maps = fopen("/proc/self/maps", "r");

    snprintf(data, sizeof data, "%s/data.mdb", store->path);
    real = realpath(data, NULL);
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

static int read_about(struct fr_store *store, struct fr_error *error)
{
    struct fr_store_reader *reader = fr_store_reader_new(store, error);
    struct fr_store_usage usage;
    uint64_t format = 0;
    int status = -1;

    if (reader != NULL && fr_store_number(reader, "format", &format, error) == 0) {
        if (format != FORMAT)
            fr_error_set(error,
                         "journal %s: has format %llu, this fleetroute knows %d; it is left as it "
                         "is",
                         store->path, (unsigned long long)format, FORMAT);
        else if (fr_store_usage(store, &usage, error) == 0) {
            store->next = usage.next;
            status = 0;
        }
    }
    fr_store_reader_free(reader);
    return status;
}

static struct fr_store *open_at(const char *path, uint64_t map_size, unsigned flags, int lock,
                                struct fr_error *error)
{
    struct fr_store *store = new_store(path);

    store->lock = lock;
    if (data_size(path) == 0) { /* LMDB would take it for a new one */
        no_journal(path, error);
        fr_store_close(store);
        return NULL;
    }
    if (open_env(store, path, map_size, flags, error) == 0 && check_length(store, error) == 0 &&
        open_databases(store, flags, error) == 0 && read_about(store, error) == 0) {
        int dead;

        find_map(store);
        mdb_reader_check(store->env, &dead); /* of processes that were killed */
        return store;
    }
    fr_store_close(store);
    return NULL;
}

/* One daemon a journal. -1 and why. */
static int lock_journal(const char *path, struct fr_error *error)
{
    char *name = fr_asprintf("%s.lock", path);
    int lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0640);

    if (lock < 0)
        fr_error_set(error, "journal: cannot make %s: %s", name, strerror(errno));
    else if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        fr_error_set(error, "journal %s: another fleetrouted has it", path);
        close(lock);
        lock = -1;
    }
    free(name);
    return lock;
}

struct fr_store *fr_store_open(const char *path, uint64_t size, struct fr_error *error)
{
    char *parent = fr_strdup(path), *slash = strrchr(parent, '/');
    int status = 0, lock;

    if (slash != NULL && slash != parent) {
        *slash = '\0';
        status = fr_make_folders(parent, error);
    }
    free(parent);
    if (status != 0 || (lock = lock_journal(path, error)) < 0)
        return NULL;
    if (data_size(path) < 0 && create(path, error) != 0) {
        close(lock);
        return NULL;
    }
    return open_at(path, size + size / 4 + (64u << 20), 0, lock, error);
}

struct fr_store *fr_store_visit(const char *path, bool read_only, struct fr_error *error)
{
    struct fr_store *store;
    int lock = -1;

    if (data_size(path) < 0) {
        fr_error_set(error, "there is no journal at %s", path);
        return NULL;
    }
    if (!read_only && (lock = lock_journal(path, error)) < 0)
        return NULL;
    store = open_at(path, 0, read_only ? MDB_RDONLY : 0, lock, error);
    return store;
}

void fr_store_close(struct fr_store *store)
{
    if (store == NULL)
        return;
    if (store->txn != NULL)
        mdb_txn_abort(store->txn);
    if (store->env != NULL)
        mdb_env_close(store->env);
    if (store->lock >= 0)
        close(store->lock);
    pthread_mutex_destroy(&store->writing);
    free(store->path);
    free(store);
}

/* ---- writing --------------------------------------------------------------------- */

int fr_store_begin(struct fr_store *store, struct fr_error *error)
{
    int code;

    pthread_mutex_lock(&store->writing);
    code = mdb_txn_begin(store->env, NULL, 0, &store->txn);
    if (code == 0) {
        store->committed = store->next;
        return 0;
    }
    store->txn = NULL;
    pthread_mutex_unlock(&store->writing);
    return failed(store, error, "begin", code);
}

void fr_store_abort(struct fr_store *store)
{
    if (store->txn != NULL)
        mdb_txn_abort(store->txn);
    store->txn = NULL;
    store->next = store->committed; /* numbers that came to nothing are given out again */
    pthread_mutex_unlock(&store->writing);
}

int fr_store_commit(struct fr_store *store, bool *full, struct fr_error *error)
{
    int code = mdb_txn_commit(store->txn);

    store->txn = NULL;
    if (code != 0)
        store->next = store->committed;
    pthread_mutex_unlock(&store->writing);
    return code == 0 ? 0 : write_failed(store, full, error, "commit", code);
}

int fr_store_append(struct fr_store *store, struct fr_record *record, int64_t appended_ms,
                    bool *full, struct fr_error *error)
{
    uint64_t seq = store->next;
    MDB_val key = {sizeof seq, &seq}, data = {fr_stored_size(record), NULL};
    int code = mdb_put(store->txn, store->records, &key, &data, MDB_APPEND | MDB_RESERVE);

    if (code != 0)
        return write_failed(store, full, error, "append a record", code);
    fr_stored_write(record, appended_ms, data.mv_data);
    record->seq = seq;
    store->next++;
    return 0;
}

int fr_store_set_cursor(struct fr_store *store, const char *name, uint64_t seq, int64_t now_ms,
                        bool *full, struct fr_error *error)
{
    uint64_t numbers[2] = {seq, (uint64_t)now_ms};
    MDB_val key = {strnlen(name, NAME_MAX_LEN), (void *)(uintptr_t)name},
            data = {sizeof numbers, numbers};
    int code = mdb_put(store->txn, store->cursors, &key, &data, 0);

    return code == 0 ? 0 : write_failed(store, full, error, "move a cursor", code);
}

int fr_store_prune(struct fr_store *store, int64_t before_ms, uint64_t below, size_t most,
                   size_t *pruned, struct fr_error *error)
{
    MDB_cursor *cursor;
    MDB_val key, data;
    int code = mdb_cursor_open(store->txn, store->records, &cursor);

    *pruned = 0;
    if (code != 0)
        return failed(store, error, "prune", code);
    while (*pruned < most && (code = mdb_cursor_get(cursor, &key, &data, MDB_FIRST)) == 0) {
        struct fr_stored stored;
        uint64_t seq;

        memcpy(&seq, key.mv_data, sizeof seq);
        if (seq + 1 == store->next ||
            (seq >= below && (fr_stored_look(data.mv_data, data.mv_size, &stored) != 0 ||
                              stored.appended_ms >= before_ms)) ||
            (code = mdb_cursor_del(cursor, 0)) != 0)
            break;
        ++*pruned;
    }
    mdb_cursor_close(cursor);
    return code == 0 || code == MDB_NOTFOUND ? 0 : failed(store, error, "prune", code);
}

static uint64_t pages_of(const struct fr_store *store, MDB_txn *txn)
{
    MDB_stat s;

    if (mdb_stat(txn, store->records, &s) != 0)
        return 0;
    return (s.ms_branch_pages + s.ms_leaf_pages + s.ms_overflow_pages) * (uint64_t)s.ms_psize;
}

uint64_t fr_store_record_bytes(struct fr_store *store)
{
    return pages_of(store, store->txn);
}

static uint64_t edge(const struct fr_store *store, MDB_txn *txn, MDB_cursor_op op, int64_t *ms)
{
    MDB_cursor *cursor;
    MDB_val key, data;
    uint64_t seq = 0;
    struct fr_stored stored;

    if (mdb_cursor_open(txn, store->records, &cursor) != 0)
        return 0;
    if (mdb_cursor_get(cursor, &key, &data, op) == 0) {
        memcpy(&seq, key.mv_data, sizeof seq);
        if (ms != NULL && fr_stored_look(data.mv_data, data.mv_size, &stored) == 0)
            *ms = stored.appended_ms;
    }
    mdb_cursor_close(cursor);
    return seq;
}

uint64_t fr_store_first(struct fr_store *store)
{
    return edge(store, store->txn, MDB_FIRST, NULL);
}

static size_t value_key(uint8_t *key, const char *vin, uint32_t field)
{
    size_t len = strnlen(vin, FR_VIN_MAX);

    memcpy(key, vin, len);
    key[len] = '\0';
    for (int i = 0; i < 4; i++)
        key[len + 1 + (size_t)i] = (uint8_t)(field >> (24 - 8 * i));
    return len + 5;
}

int fr_store_put_value(struct fr_store *store, const struct fr_last_value *value, bool *full,
                       struct fr_error *error)
{
    uint8_t name[FR_VIN_MAX + 5];
    MDB_val key = {value_key(name, value->vin, value->field), name}, data;
    int64_t kept;
    int code = mdb_get(store->txn, store->values, &key, &data);

    if (code == 0 && data.mv_size >= VALUE_HEAD) {
        memcpy(&kept, data.mv_data, sizeof kept);
        if (kept > value->created_ns)
            return 0;
    }
    data = (MDB_val){VALUE_HEAD + value->len, NULL};
    if (code == 0 || code == MDB_NOTFOUND)
        code = mdb_put(store->txn, store->values, &key, &data, MDB_RESERVE);
    if (code != 0)
        return write_failed(store, full, error, "keep a last value", code);
    memcpy(data.mv_data, &value->created_ns, 8);
    memcpy((uint8_t *)data.mv_data + 8, &value->received_ms, 8);
    memcpy((uint8_t *)data.mv_data + VALUE_HEAD, value->bytes, value->len);
    return 0;
}

int fr_store_put_number(struct fr_store *store, const char *name, uint64_t number, bool *full,
                        struct fr_error *error)
{
    MDB_val key = {strlen(name), (void *)(uintptr_t)name}, data = {sizeof number, &number};
    int code = mdb_put(store->txn, store->about, &key, &data, 0);

    return code == 0 ? 0 : write_failed(store, full, error, "keep a number", code);
}

/* ---- reading --------------------------------------------------------------------- */

struct fr_store_reader *fr_store_reader_new(struct fr_store *store, struct fr_error *error)
{
    struct fr_store_reader *reader = fr_calloc(1, sizeof *reader);
    int code = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &reader->txn);

    reader->store = store;
    if (code == 0) {
        mdb_txn_reset(reader->txn);
        return reader;
    }
    failed(store, error, "read", code);
    free(reader);
    return NULL;
}

void fr_store_reader_free(struct fr_store_reader *reader)
{
    if (reader == NULL)
        return;
    mdb_txn_abort(reader->txn);
    free(reader);
}

static int begin_reading(struct fr_store_reader *reader, struct fr_error *error)
{
    int code = mdb_txn_renew(reader->txn);

    return code == 0 ? 0 : failed(reader->store, error, "read", code);
}

/* What was read fills resident memory with pages of the map; the kernel keeps them anyway. */
static void give_pages_back(struct fr_store *store, size_t read)
{
    if (atomic_fetch_add_explicit(&store->read_bytes, read, memory_order_relaxed) + read <
        READ_KEPT)
        return;
    atomic_store_explicit(&store->read_bytes, 0, memory_order_relaxed);
    if (store->map != NULL)
        madvise(store->map, store->map_size, MADV_DONTNEED);
}

int fr_store_read(struct fr_store_reader *reader, uint64_t *next, size_t most, uint64_t *gap,
                  bool (*each)(void *ctx, uint64_t seq, const uint8_t *bytes, size_t len),
                  void *ctx, struct fr_error *error)
{
    MDB_val key = {sizeof *next, next}, data;
    MDB_cursor *cursor = NULL;
    size_t bytes = 0;
    int code, count = 0;

    *gap = 0;
    if (begin_reading(reader, error) != 0)
        return -1;
    code = mdb_cursor_open(reader->txn, reader->store->records, &cursor);
    if (code == 0)
        code = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    for (; code == 0 && (size_t)count < most;
         code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) {
        uint64_t seq;

        memcpy(&seq, key.mv_data, sizeof seq);
        *gap += seq - *next;
        *next = seq;
        if (!each(ctx, seq, data.mv_data, data.mv_size))
            break;
        *next = seq + 1;
        bytes += data.mv_size;
        count++;
    }
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    mdb_txn_reset(reader->txn);
    give_pages_back(reader->store, bytes);
    if (code != 0 && code != MDB_NOTFOUND)
        return failed(reader->store, error, "read", code);
    return count;
}

/* When the first record at or behind *seq was appended; *seq becomes its number. */
static int appended_at(struct fr_store_reader *reader, MDB_cursor *cursor, uint64_t *seq,
                       int64_t *ms)
{
    MDB_val key = {sizeof *seq, seq}, data;
    struct fr_stored stored;
    int code = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);

    (void)reader;
    if (code != 0)
        return code;
    memcpy(seq, key.mv_data, sizeof *seq);
    *ms = fr_stored_look(data.mv_data, data.mv_size, &stored) == 0 ? stored.appended_ms : 0;
    return 0;
}

int fr_store_seek(struct fr_store_reader *reader, int64_t ms, uint64_t *seq, struct fr_error *error)
{
    struct fr_store *store = reader->store;
    MDB_cursor *cursor;
    uint64_t low, high;
    int code;

    if (begin_reading(reader, error) != 0)
        return -1;
    low = edge(store, reader->txn, MDB_FIRST, NULL);
    high = edge(store, reader->txn, MDB_LAST, NULL) + 1;
    code = mdb_cursor_open(reader->txn, store->records, &cursor);
    while (code == 0 && low < high) {
        uint64_t middle = low + (high - low) / 2, found = middle;
        int64_t then;

        code = appended_at(reader, cursor, &found, &then);
        if (code == MDB_NOTFOUND || (code == 0 && then >= ms)) {
            code = 0;
            high = middle;
        } else
            low = found + 1;
    }
    if (code == 0)
        mdb_cursor_close(cursor);
    mdb_txn_reset(reader->txn);
    *seq = high;
    return code == 0 ? 0 : failed(store, error, "search", code);
}

int fr_store_usage(struct fr_store *store, struct fr_store_usage *usage, struct fr_error *error)
{
    char *data = fr_asprintf("%s/data.mdb", store->path);
    struct stat st = {0};
    MDB_txn *txn;
    int code = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);

    memset(usage, 0, sizeof *usage);
    if (stat(data, &st) == 0)
        usage->file_bytes = (uint64_t)st.st_blocks * 512;
    free(data);
    if (code != 0)
        return failed(store, error, "read", code);
    usage->record_bytes = pages_of(store, txn);
    usage->next = edge(store, txn, MDB_LAST, NULL) + 1;
    usage->first = edge(store, txn, MDB_FIRST, &usage->first_ms);
    if (usage->first == 0)
        usage->first = usage->next;
    mdb_txn_abort(txn);
    return 0;
}

int fr_store_cursor(struct fr_store_reader *reader, const char *name, uint64_t *seq,
                    int64_t *moved_ms, struct fr_error *error)
{
    MDB_val key = {strnlen(name, NAME_MAX_LEN), (void *)(uintptr_t)name}, data;
    uint64_t numbers[2];
    int code;

    if (begin_reading(reader, error) != 0)
        return -1;
    code = mdb_get(reader->txn, reader->store->cursors, &key, &data);
    if (code == 0 && data.mv_size == sizeof numbers) {
        memcpy(numbers, data.mv_data, sizeof numbers);
        *seq = numbers[0];
        *moved_ms = (int64_t)numbers[1];
    }
    mdb_txn_reset(reader->txn);
    if (code != 0 && code != MDB_NOTFOUND)
        return failed(reader->store, error, "read a cursor", code);
    return code == 0;
}

int fr_store_cursors(struct fr_store_reader *reader,
                     void (*each)(void *ctx, const char *name, uint64_t seq, int64_t moved_ms),
                     void *ctx, struct fr_error *error)
{
    MDB_cursor *cursor;
    MDB_val key, data;
    int code;

    if (begin_reading(reader, error) != 0)
        return -1;
    code = mdb_cursor_open(reader->txn, reader->store->cursors, &cursor);
    while (code == 0 && (code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) == 0) {
        char name[NAME_MAX_LEN + 1];
        uint64_t numbers[2];

        if (key.mv_size > NAME_MAX_LEN || data.mv_size != sizeof numbers)
            continue;
        memcpy(name, key.mv_data, key.mv_size);
        name[key.mv_size] = '\0';
        memcpy(numbers, data.mv_data, sizeof numbers);
        each(ctx, name, numbers[0], (int64_t)numbers[1]);
    }
    if (code == MDB_NOTFOUND) {
        mdb_cursor_close(cursor);
        code = 0;
    }
    mdb_txn_reset(reader->txn);
    return code == 0 ? 0 : failed(reader->store, error, "read its cursors", code);
}

int fr_store_number(struct fr_store_reader *reader, const char *name, uint64_t *number,
                    struct fr_error *error)
{
    MDB_val key = {strlen(name), (void *)(uintptr_t)name}, data;
    int code;

    *number = 0;
    if (begin_reading(reader, error) != 0)
        return -1;
    code = mdb_get(reader->txn, reader->store->about, &key, &data);
    if (code == 0 && data.mv_size == sizeof *number)
        memcpy(number, data.mv_data, sizeof *number);
    mdb_txn_reset(reader->txn);
    return code == 0 || code == MDB_NOTFOUND ? 0 : failed(reader->store, error, "read", code);
}

static bool value_of(const MDB_val *key, const MDB_val *data, struct fr_last_value *value)
{
    const uint8_t *name = key->mv_data;
    size_t vin_len = key->mv_size - 5;

    if (key->mv_size < 6 || vin_len > FR_VIN_MAX || data->mv_size < VALUE_HEAD)
        return false;
    memcpy(value->vin, name, vin_len);
    value->vin[vin_len] = '\0';
    value->field = 0;
    for (size_t i = 0; i < 4; i++)
        value->field = value->field << 8 | name[vin_len + 1 + i];
    memcpy(&value->created_ns, data->mv_data, 8);
    memcpy(&value->received_ms, (uint8_t *)data->mv_data + 8, 8);
    value->bytes = (uint8_t *)data->mv_data + VALUE_HEAD;
    value->len = data->mv_size - VALUE_HEAD;
    return true;
}

int fr_store_values(struct fr_store_reader *reader, const char *vin,
                    bool (*each)(void *ctx, const struct fr_last_value *value), void *ctx,
                    struct fr_error *error)
{
    uint8_t from[FR_VIN_MAX + 5] = "";
    MDB_val key = {1, from}, data;
    struct fr_last_value value;
    MDB_cursor *cursor = NULL;
    int code;

    if (vin != NULL)
        key.mv_size = value_key(from, vin, 0);
    if (begin_reading(reader, error) != 0)
        return -1;
    code = mdb_cursor_open(reader->txn, reader->store->values, &cursor);
    if (code == 0)
        code = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    for (; code == 0; code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) {
        if (!value_of(&key, &data, &value))
            continue;
        if ((vin != NULL && strcmp(vin, value.vin) != 0) || !each(ctx, &value))
            break;
    }
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    mdb_txn_reset(reader->txn);
    return code == 0 || code == MDB_NOTFOUND ? 0
                                             : failed(reader->store, error, "read values", code);
}
