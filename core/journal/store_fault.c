#include "journal/store_fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "journal/store_state.h"
#include "util/clock.h"
#include "util/memory.h"

#define FILE_CHECK_MS 1000
#define FULL_BYTES 65536 /* a disk with less free space counts as full */

static const struct {
    const char *name, *remedy;
} faults[] = {
    [FR_STORE_OK] = {"well", ""},
    [FR_STORE_MAP_FULL] = {"map full",
                           "sinks free space when they deliver; otherwise raise `journal: size:`"},
    [FR_STORE_DISK_FULL] = {"disk full", "free space on its disk; writing resumes by itself"},
    [FR_STORE_IO_ERROR] = {"disk fails", "check the kernel's log and the disk; writes are retried"},
    [FR_STORE_READ_ONLY] = {"read-only",
                            "mount its file system read-write; writing resumes by itself"},
    [FR_STORE_PANIC] = {"reopening", "the file is closed and opened again until that succeeds"},
    [FR_STORE_DAMAGED] = {"damaged", "stop the daemon, run `fleetroute journal check`, then "
                                     "`fleetroute journal salvage`"},
    [FR_STORE_MISSING] = {"gone",
                          "put data.mdb back, or restart fleetrouted to create a new journal"},
    [FR_STORE_OTHER] = {"cannot be written", "writes are retried"},
};

static enum fr_store_fault store_fault_of(int code)
{
    switch (code) {
    case 0:
    case MDB_NOTFOUND:
        return FR_STORE_OK;
    case MDB_MAP_FULL:
        return FR_STORE_MAP_FULL;
    case ENOSPC:
    case EDQUOT:
        return FR_STORE_DISK_FULL;
    case EIO:
        return FR_STORE_IO_ERROR;
    case EROFS:
        return FR_STORE_READ_ONLY;
    case MDB_PANIC:
        return FR_STORE_PANIC;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_CURSOR_FULL:
    case MDB_PAGE_FULL:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE: /* flags of the table, which a damaged page can change */
    case MDB_BAD_VALSIZE:
        return FR_STORE_DAMAGED;
    default:
        return FR_STORE_OTHER;
    }
}

/* LMDB returns EIO for a short write. The first failed write on a full disk is a short one. */
static int store_fault_cause(const struct fr_store *store, int code)
{
    struct statvfs disk;

    if (code == EIO && statvfs(store->path, &disk) == 0 &&
        (uint64_t)disk.f_bavail * disk.f_frsize < FULL_BYTES)
        return ENOSPC;
    return code;
}

int fr_store_failed(const struct fr_store *store, struct fr_error *error, const char *what,
                    int code)
{
    enum fr_store_fault fault;

    code = store_fault_cause(store, code);
    fault = store_fault_of(code);
    return fr_error_set(error, "journal %s: %s: cannot %s: %s (%s)", store->path,
                        faults[fault].name, what, mdb_strerror(code), faults[fault].remedy);
}

int fr_store_write_failed(struct fr_store *store, struct fr_error *error, const char *what,
                          int code)
{
    store->fault = store_fault_of(store_fault_cause(store, code));
    return fr_store_failed(store, error, what, code);
}

enum fr_store_fault fr_store_fault(const struct fr_store *store)
{
    return store->fault;
}

const char *fr_store_fault_name(enum fr_store_fault fault)
{
    return faults[fault].name;
}

bool fr_store_missing(struct fr_store *store, struct fr_error *error)
{
    int64_t now = fr_monotonic_ms();
    char *data;
    struct stat present, open;
    int fd;

    if (now >= store->next_file_check_ms) {
        store->next_file_check_ms = now + FILE_CHECK_MS;
        data = fr_asprintf("%s/data.mdb", store->path);
        store->missing = mdb_env_get_fd(store->env, &fd) == 0 && fstat(fd, &open) == 0 &&
                         (stat(data, &present) != 0 || present.st_ino != open.st_ino ||
                          present.st_dev != open.st_dev);
        free(data);
    }
    if (!store->missing)
        return false;
    store->fault = FR_STORE_MISSING;
    fr_error_set(
        error,
        "journal %s: gone: data.mdb was deleted, moved or replaced, and records written to "
        "the open file would be lost at the next start (%s)",
        store->path, faults[FR_STORE_MISSING].remedy);
    return true;
}

/* ---- readers --------------------------------------------------------------------- */

int fr_store_clear_readers(struct fr_store *store)
{
    int dead = 0;

    if (store->env != NULL)
        mdb_reader_check(store->env, &dead);
    return dead;
}

struct oldest_reader {
    long pid;
    unsigned long long txn;
};

/* Parse a line of mdb_reader_list(): process, thread (hexadecimal), transaction or "-". */
static int store_parse_reader(const char *line, void *ctx)
{
    struct oldest_reader *oldest = ctx;
    unsigned long long txn;
    long pid;

    if (sscanf(line, "%ld %*s %llu", &pid, &txn) == 2 && (oldest->pid == 0 || txn < oldest->txn))
        *oldest = (struct oldest_reader){pid, txn};
    return 0;
}

long fr_store_oldest_reader(struct fr_store *store, uint64_t *commits)
{
    struct oldest_reader oldest = {0, 0};
    MDB_envinfo info;

    *commits = 0;
    if (store->env == NULL || mdb_env_info(store->env, &info) != 0 ||
        mdb_reader_list(store->env, store_parse_reader, &oldest) < 0 || oldest.pid == 0)
        return 0;
    if (info.me_last_txnid > oldest.txn)
        *commits = info.me_last_txnid - oldest.txn;
    return oldest.pid;
}
