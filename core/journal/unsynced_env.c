#include "journal/unsynced_env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/lock_file.h"
#include "util/files.h"
#include "util/guarded.h"
#include "util/log.h"
#include "util/memory.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define CLOSED_WELL "closed well" /* content of the state file; format on disk */
#define STATE_SIZE 64
#define CHECK_MAX_MS 20000

int fr_unsynced_failed(const struct fr_unsynced_env *e, struct fr_error *error, const char *what,
                       int code)
{
    return fr_error_set(error, "%s %s: cannot %s: %s", e->kind->name, e->folder, what,
                        mdb_strerror(code));
}

uint64_t fr_unsynced_used_bytes(const struct fr_unsynced_env *e, MDB_txn *txn)
{
    MDB_stat s;

    if (mdb_stat(txn, e->table, &s) != 0)
        return 0;
    return (s.ms_branch_pages + s.ms_leaf_pages + s.ms_overflow_pages) * (uint64_t)s.ms_psize;
}

/* ---- the state file -------------------------------------------------------------- */

static void unsynced_read_state(const char *path, char *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, STATE_SIZE - 1) : 0;

    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
}

/* The state is on disk before the environment changes. */
static int unsynced_write_state(const struct fr_unsynced_env *e, const char *text,
                                struct fr_error *error)
{
    char *path = fr_asprintf("%s/state", e->folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    size_t len = strlen(text);
    int status = 0;

    if (fd < 0 || write(fd, text, len) != (ssize_t)len || fdatasync(fd) != 0 ||
        fr_sync_folder(e->folder) != 0)
        status =
            fr_error_set(error, "%s: cannot write %s: %s", e->kind->name, path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(path);
    return status;
}

/* Whether the file is not torn: it was closed, or the machine was not restarted since. */
static bool unsynced_is_state_valid(const struct fr_unsynced_env *e, bool *closed_well)
{
    char *path = fr_asprintf("%s/state", e->folder);
    char state[STATE_SIZE], boot[STATE_SIZE];

    unsynced_read_state(path, state);
    unsynced_read_state(BOOT_ID, boot);
    free(path);
    *closed_well = strcmp(state, CLOSED_WELL) == 0;
    return *closed_well || (boot[0] != '\0' && strcmp(state, boot) == 0);
}

/* ---- the environment ------------------------------------------------------------- */

static char *unsynced_file_of(const struct fr_unsynced_env *e, const char *name)
{
    return fr_asprintf("%s/%s", e->folder, name);
}

static void unsynced_delete_env(const struct fr_unsynced_env *e)
{
    char *data = unsynced_file_of(e, "data.mdb"), *lock = unsynced_file_of(e, "lock.mdb");

    unlink(data);
    unlink(lock);
    free(data);
    free(lock);
}

static void unsynced_close_env(struct fr_unsynced_env *e)
{
    if (e->env != NULL)
        mdb_env_close(e->env);
    e->env = NULL;
}

/* LMDB does not check the file's length against its last page number. Returns 0 or a code. */
static int unsynced_check_length(struct fr_unsynced_env *e)
{
    MDB_envinfo info;
    MDB_stat stat_;
    struct stat st;
    int fd;

    if (mdb_env_get_fd(e->env, &fd) != 0 || fstat(fd, &st) != 0 ||
        mdb_env_info(e->env, &info) != 0 || mdb_env_stat(e->env, &stat_) != 0)
        return EIO;
    return (uint64_t)st.st_size / stat_.ms_psize < (uint64_t)info.me_last_pgno + 1 ? MDB_CORRUPTED
                                                                                   : 0;
}

static int unsynced_open_env(struct fr_unsynced_env *e, struct fr_error *error)
{
    char *lock = unsynced_file_of(e, "lock.mdb");
    MDB_txn *txn = NULL;
    int dead, code = mdb_env_create(&e->env);

    if (code == 0)
        code = fr_lock_file_reserve(lock);
    free(lock);
    if (code == 0)
        code = mdb_env_set_maxdbs(e->env, 1);
    if (code == 0)
        code = mdb_env_set_mapsize(e->env, (size_t)e->max_bytes);
    if (code == 0)
        code = mdb_env_open(e->env, e->folder, MDB_NOTLS | MDB_NOSYNC, 0640);
    if (code == 0)
        code = unsynced_check_length(e);
    if (code == 0)
        code = mdb_txn_begin(e->env, NULL, 0, &txn);
    if (code == 0 && (code = mdb_dbi_open(txn, e->kind->table, MDB_CREATE, &e->table)) == 0)
        code = mdb_txn_commit(txn);
    else if (txn != NULL)
        mdb_txn_abort(txn);
    if (code != 0) {
        unsynced_close_env(e);
        return fr_unsynced_failed(e, error, "open the file", code);
    }
    mdb_reader_check(e->env, &dead);
    return 0;
}

/* Read the whole file, in a child process: LMDB may crash on damaged pages. */
static int unsynced_read_all(void *ctx, struct fr_error *error)
{
    struct fr_unsynced_env *e = ctx;
    MDB_val key, data;
    MDB_cursor *cursor;
    MDB_txn *txn;
    uint64_t sum = 0;
    int code;

    if (unsynced_open_env(e, error) != 0)
        return -1;
    code = mdb_txn_begin(e->env, NULL, MDB_RDONLY, &txn);
    if (code == 0)
        code = mdb_cursor_open(txn, e->table, &cursor);
    while (code == 0 && (code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) == 0)
        if (data.mv_size != 0) {
            const uint8_t *bytes = data.mv_data;

            sum += (uint64_t)bytes[0] + bytes[data.mv_size - 1];
        }
    (void)sum;
    return code == MDB_NOTFOUND ? 0 : fr_unsynced_failed(e, error, "read the file", code);
}

static bool unsynced_is_readable(struct fr_unsynced_env *e, struct fr_error *error)
{
    return fr_guarded_run(unsynced_read_all, e, CHECK_MAX_MS, error) == FR_GUARDED_WELL;
}

/* Delete the file and open an empty one. */
static int unsynced_create_empty(struct fr_unsynced_env *e, struct fr_error *error)
{
    char boot[STATE_SIZE];

    unsynced_read_state(BOOT_ID, boot);
    unsynced_delete_env(e);
    if (unsynced_write_state(e, boot, error) != 0)
        return -1;
    return unsynced_open_env(e, error);
}

/* ---- opening and closing --------------------------------------------------------- */

/* Open an existing file, unless it may be torn or is damaged. */
static bool unsynced_open_existing(struct fr_unsynced_env *e)
{
    struct fr_error error = {"the machine went down while the file was open"};
    char *data = unsynced_file_of(e, "data.mdb"), boot[STATE_SIZE];
    struct stat st;
    bool exists = stat(data, &st) == 0 && st.st_size != 0, closed_well;

    free(data);
    if (!exists)
        return false; /* LMDB treats an empty file as a new one */
    unsynced_read_state(BOOT_ID, boot);
    if (unsynced_is_state_valid(e, &closed_well) &&
        (closed_well || unsynced_is_readable(e, &error)) &&
        unsynced_write_state(e, boot, &error) == 0 && unsynced_open_env(e, &error) == 0)
        return true;
    fr_count(e->kind->rebuilt);
    fr_log(FR_LOG_WARNING, "%s in %s %s rebuilt from the journal: %s", e->kind->name, e->folder,
           e->kind->are, error.text);
    return false;
}

int fr_unsynced_open(struct fr_unsynced_env *e, const struct fr_unsynced_kind *kind,
                     const char *folder, uint64_t max_bytes, bool *fresh, struct fr_error *error)
{
    pthread_rwlockattr_t attributes;

    memset(e, 0, sizeof *e);
    e->kind = kind;
    e->folder = fr_strdup(folder);
    e->max_bytes = max_bytes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&e->lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    *fresh = false;
    if (fr_make_folders(folder, error) == 0) {
        if (unsynced_open_existing(e))
            return 0;
        *fresh = true;
        if (unsynced_create_empty(e, error) == 0)
            return 0;
    }
    pthread_rwlock_destroy(&e->lock);
    free(e->folder);
    return -1;
}

int fr_unsynced_recover(struct fr_unsynced_env *e, bool *fresh, struct fr_error *error)
{
    bool damaged = e->code == MDB_CORRUPTED || e->code == MDB_PAGE_NOTFOUND ||
                   e->code == MDB_BAD_TXN || e->code == MDB_CURSOR_FULL;
    int status = 0;

    *fresh = false;
    if (!damaged && e->code != MDB_PANIC)
        return 0;
    pthread_rwlock_wrlock(&e->lock);
    unsynced_close_env(e);
    if (damaged || unsynced_open_env(e, error) != 0) {
        *fresh = true;
        status = unsynced_create_empty(e, error);
    }
    pthread_rwlock_unlock(&e->lock);
    fr_count_add(e->kind->rebuilt, *fresh && status == 0);
    return status;
}

void fr_unsynced_close(struct fr_unsynced_env *e)
{
    struct fr_error error;
    bool synced = e->env != NULL && mdb_env_sync(e->env, 1) == 0;

    unsynced_close_env(e);
    if (synced && unsynced_write_state(e, CLOSED_WELL "\n", &error) != 0)
        fr_log(FR_LOG_WARNING, "%s", error.text);
    pthread_rwlock_destroy(&e->lock);
    free(e->folder);
}
