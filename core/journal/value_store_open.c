#include "journal/value_store_open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/lock_file.h"
#include "journal/value_store_base.h"
#include "journal/value_store_state.h"
#include "util/counters.h"
#include "util/files.h"
#include "util/guarded.h"
#include "util/log.h"
#include "util/memory.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define CLOSED_WELL "closed well" /* content of the state file; format on disk */
#define STATE_SIZE 64
#define CHECK_MAX_MS 20000

/* ---- the state file -------------------------------------------------------------- */

static void values_read_state(const char *path, char *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, STATE_SIZE - 1) : 0;

    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
}

/* The state is on disk before the environment changes. */
static int values_write_state(const struct fr_value_store *store, const char *text,
                              struct fr_error *error)
{
    char *path = fr_asprintf("%s/state", store->folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    size_t len = strlen(text);
    int status = 0;

    if (fd < 0 || write(fd, text, len) != (ssize_t)len || fdatasync(fd) != 0 ||
        fr_sync_folder(store->folder) != 0)
        status = fr_error_set(error, "last values: cannot write %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(path);
    return status;
}

/* Whether the file is not torn: the store was closed, or the machine was not restarted since. */
static bool values_is_state_valid(const struct fr_value_store *store, bool *closed_well)
{
    char *path = fr_asprintf("%s/state", store->folder);
    char state[STATE_SIZE], boot[STATE_SIZE];

    values_read_state(path, state);
    values_read_state(BOOT_ID, boot);
    free(path);
    *closed_well = strcmp(state, CLOSED_WELL) == 0;
    return *closed_well || (boot[0] != '\0' && strcmp(state, boot) == 0);
}

/* ---- the environment ------------------------------------------------------------- */

static char *values_file_of(const struct fr_value_store *store, const char *name)
{
    return fr_asprintf("%s/%s", store->folder, name);
}

static void values_delete_env(const struct fr_value_store *store)
{
    char *data = values_file_of(store, "data.mdb"), *lock = values_file_of(store, "lock.mdb");

    unlink(data);
    unlink(lock);
    free(data);
    free(lock);
}

static void values_close_env(struct fr_value_store *store)
{
    if (store->env != NULL)
        mdb_env_close(store->env);
    store->env = NULL;
}

/* LMDB does not check the file's length against its last page number. Returns 0 or a code. */
static int values_check_length(struct fr_value_store *store)
{
    MDB_envinfo info;
    MDB_stat stat_;
    struct stat st;
    int fd;

    if (mdb_env_get_fd(store->env, &fd) != 0 || fstat(fd, &st) != 0 ||
        mdb_env_info(store->env, &info) != 0 || mdb_env_stat(store->env, &stat_) != 0)
        return EIO;
    return (uint64_t)st.st_size / stat_.ms_psize < (uint64_t)info.me_last_pgno + 1 ? MDB_CORRUPTED
                                                                                   : 0;
}

static int values_open_env(struct fr_value_store *store, struct fr_error *error)
{
    char *lock = values_file_of(store, "lock.mdb");
    MDB_txn *txn = NULL;
    int dead, code = mdb_env_create(&store->env);

    if (code == 0)
        code = fr_lock_file_reserve(lock);
    free(lock);
    if (code == 0)
        code = mdb_env_set_maxdbs(store->env, 1);
    if (code == 0)
        code = mdb_env_set_mapsize(store->env, (size_t)FR_VALUE_STORE_MAX);
    if (code == 0)
        code = mdb_env_open(store->env, store->folder, MDB_NOTLS | MDB_NOSYNC, 0640);
    if (code == 0)
        code = values_check_length(store);
    if (code == 0)
        code = mdb_txn_begin(store->env, NULL, 0, &txn);
    if (code == 0 && (code = mdb_dbi_open(txn, "values", MDB_CREATE, &store->values)) == 0)
        code = mdb_txn_commit(txn);
    else if (txn != NULL)
        mdb_txn_abort(txn);
    if (code != 0) {
        values_close_env(store);
        return fr_value_store_failed(store, error, "open them", code);
    }
    mdb_reader_check(store->env, &dead);
    return 0;
}

/* Read the whole file, in a child process: LMDB may crash on damaged pages. */
static int values_read_all(void *ctx, struct fr_error *error)
{
    struct fr_value_store *store = ctx;
    struct fr_last_value value;
    MDB_val key, data;
    MDB_cursor *cursor;
    MDB_txn *txn;
    uint64_t sum = 0;
    int code;

    if (values_open_env(store, error) != 0)
        return -1;
    code = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
    if (code == 0)
        code = mdb_cursor_open(txn, store->values, &cursor);
    while (code == 0 && (code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) == 0)
        if (fr_last_value_parse(key.mv_data, key.mv_size, data.mv_data, data.mv_size, &value) &&
            value.len != 0)
            sum += value.bytes[0] + value.bytes[value.len - 1];
    (void)sum;
    return code == MDB_NOTFOUND ? 0 : fr_value_store_failed(store, error, "read them", code);
}

static bool values_is_readable(struct fr_value_store *store, struct fr_error *error)
{
    return fr_guarded_run(values_read_all, store, CHECK_MAX_MS, error) == FR_GUARDED_WELL;
}

/* Delete the file and open an empty one. */
static int values_create_empty(struct fr_value_store *store, struct fr_error *error)
{
    char boot[STATE_SIZE];

    values_read_state(BOOT_ID, boot);
    values_delete_env(store);
    if (values_write_state(store, boot, error) != 0)
        return -1;
    return values_open_env(store, error);
}

/* ---- opening and closing --------------------------------------------------------- */

/* Open an existing file, unless it may be torn or is damaged. */
static bool values_open_existing(struct fr_value_store *store)
{
    struct fr_error error = {"the machine went down while they were written"};
    char *data = values_file_of(store, "data.mdb"), boot[STATE_SIZE];
    struct stat st;
    bool exists = stat(data, &st) == 0 && st.st_size != 0, closed_well;

    free(data);
    if (!exists)
        return false; /* LMDB treats an empty file as a new one */
    values_read_state(BOOT_ID, boot);
    if (values_is_state_valid(store, &closed_well) &&
        (closed_well || values_is_readable(store, &error)) &&
        values_write_state(store, boot, &error) == 0 && values_open_env(store, &error) == 0)
        return true;
    fr_count(FR_COUNT_VALUES_REBUILT);
    fr_log(FR_LOG_WARNING, "last values in %s are rebuilt from the journal: %s", store->folder,
           error.text);
    return false;
}

struct fr_value_store *fr_value_store_open(const char *folder, bool *fresh, struct fr_error *error)
{
    struct fr_value_store *store = fr_calloc(1, sizeof *store);
    pthread_rwlockattr_t attributes;

    store->folder = fr_strdup(folder);
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&store->lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    *fresh = false;
    if (fr_make_folders(folder, error) == 0) {
        if (values_open_existing(store))
            return store;
        *fresh = true;
        if (values_create_empty(store, error) == 0)
            return store;
    }
    pthread_rwlock_destroy(&store->lock);
    free(store->folder);
    free(store);
    return NULL;
}

int fr_value_store_recover(struct fr_value_store *store, bool *fresh, struct fr_error *error)
{
    bool damaged = store->code == MDB_CORRUPTED || store->code == MDB_PAGE_NOTFOUND ||
                   store->code == MDB_BAD_TXN || store->code == MDB_CURSOR_FULL;
    int status = 0;

    *fresh = false;
    if (!damaged && store->code != MDB_PANIC)
        return 0;
    pthread_rwlock_wrlock(&store->lock);
    values_close_env(store);
    if (damaged || values_open_env(store, error) != 0) {
        *fresh = true;
        status = values_create_empty(store, error);
    }
    pthread_rwlock_unlock(&store->lock);
    fr_count_add(FR_COUNT_VALUES_REBUILT, *fresh && status == 0);
    return status;
}

void fr_value_store_close(struct fr_value_store *store)
{
    struct fr_error error;
    bool synced;

    if (store == NULL)
        return;
    synced = store->env != NULL && mdb_env_sync(store->env, 1) == 0;
    values_close_env(store);
    if (synced && values_write_state(store, CLOSED_WELL "\n", &error) != 0)
        fr_log(FR_LOG_WARNING, "%s", error.text);
    pthread_rwlock_destroy(&store->lock);
    free(store->folder);
    free(store);
}
