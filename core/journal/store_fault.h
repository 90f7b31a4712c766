/*
 * Faults of the journal's store: classes of LMDB and system errors, each with a name and a remedy;
 * and LMDB readers that pin free pages.
 */
#ifndef FR_STORE_FAULT_H
#define FR_STORE_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

struct fr_store;

/* Why the last write failed. */
enum fr_store_fault {
    FR_STORE_OK,
    FR_STORE_MAP_FULL,  /* no free page within the limit of the file */
    FR_STORE_DISK_FULL, /* ENOSPC, EDQUOT */
    FR_STORE_IO_ERROR,  /* EIO */
    FR_STORE_READ_ONLY, /* EROFS */
    FR_STORE_PANIC,     /* a meta page was not written: LMDB refuses writes until it is reopened */
    FR_STORE_DAMAGED,   /* invalid pages: only `fleetroute journal salvage` helps */
    FR_STORE_MISSING,   /* data.mdb is not at its path any more */
    FR_STORE_OTHER,
};

/* The fault of the last write. Writing thread only. */
enum fr_store_fault fr_store_fault(const struct fr_store *store);

/* The name of a fault for status and log, e.g. "disk full". A static string. */
const char *fr_store_fault_name(enum fr_store_fault fault);

/* Set `error` for the action `what` that failed with the LMDB or errno code `code`. Returns -1. */
int fr_store_failed(const struct fr_store *store, struct fr_error *error, const char *what,
                    int code);

/* Like fr_store_failed(); also sets the store's fault. Writing thread only. Returns -1. */
int fr_store_write_failed(struct fr_store *store, struct fr_error *error, const char *what,
                          int code);

/* Whether data.mdb is not at its path any more; then sets the store's fault and `error`. Examines
 * the path at most once a second. Writing thread only. */
bool fr_store_missing(struct fr_store *store, struct fr_error *error);

/* Free the LMDB reader slots of processes that ended; a slot may pin free pages. Returns how many
 * were freed. Writing thread only. */
int fr_store_clear_readers(struct fr_store *store);

/* The process that reads the oldest snapshot; 0: no process reads. *commits is the age of the
 * snapshot in commits: LMDB does not reuse pages that were freed since. Writing thread only. */
long fr_store_oldest_reader(struct fr_store *store, uint64_t *commits);

#endif
