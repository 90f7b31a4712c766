/*
 * An LMDB environment of one table that is written without fsync, because its content can be read
 * again from the journal: the last values, the history.
 *
 * A killed process does not tear the file, because the page cache survives it. After a crash of the
 * machine the file may be torn. The file "state" in the folder holds the boot id of the machine while
 * the environment is open, and "closed well" afterwards. With another boot id the machine went down
 * while it was open: the file is deleted.
 */
#ifndef FR_UNSYNCED_ENV_H
#define FR_UNSYNCED_ENV_H

#include <lmdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/counters.h"
#include "util/error.h"

/* What an environment is for. Constant. */
struct fr_unsynced_kind {
    const char *name;        /* "last values", for messages */
    const char *are;         /* "are", or "is" for a singular name */
    const char *table;       /* name of the table in the file */
    enum fr_counter rebuilt; /* counts deleted files */
};

struct fr_unsynced_env {
    const struct fr_unsynced_kind *kind;
    char *folder;
    uint64_t max_bytes;    /* limit of the file */
    pthread_rwlock_t lock; /* taken for reading by readers of env, for writing to replace it */
    MDB_env *env;          /* NULL: fr_unsynced_recover() failed */
    MDB_dbi table;
    int code; /* result of the last write; writing thread */
};

/* Open the environment in `folder`; create both if necessary. *fresh: it is empty because it is
 * new, or was damaged or torn. The caller closes the environment. Returns 0, or -1 with `error`
 * set. */
int fr_unsynced_open(struct fr_unsynced_env *e, const struct fr_unsynced_kind *kind,
                     const char *folder, uint64_t max_bytes, bool *fresh, struct fr_error *error);

/* Synchronise the file to disk and close it. No other thread uses the environment. */
void fr_unsynced_close(struct fr_unsynced_env *e);

/* After a failed write, whose result is in e->code: reopen the file if that can help; replace a
 * damaged file by an empty one (*fresh). Readers wait. Writing thread only. Returns 0, or -1 with
 * `error` set: the caller may try again. */
int fr_unsynced_recover(struct fr_unsynced_env *e, bool *fresh, struct fr_error *error);

/* Bytes in pages of the table, as seen by `txn`. 0 on an error. */
uint64_t fr_unsynced_used_bytes(const struct fr_unsynced_env *e, MDB_txn *txn);

/* Set `error` for the action `what` that failed with the LMDB or errno code `code`. Returns -1. */
int fr_unsynced_failed(const struct fr_unsynced_env *e, struct fr_error *error, const char *what,
                       int code);

#endif
