/* journal_store_state.h - the store's insides; for the files journal_store_*.c only. */
#ifndef FR_JOURNAL_STORE_STATE_H
#define FR_JOURNAL_STORE_STATE_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "journal/journal_store.h"

struct fr_store {
    char *path;
    int lock; /* held while a daemon has the journal; -1: a visitor */
    size_t map_limit;
    unsigned flags; /* mdb_env_open's */

    /* Held for reading by who uses env, for writing by fr_store_reopen. */
    pthread_rwlock_t env_lock;
    MDB_env *env; /* NULL: reopening failed */
    pthread_mutex_t readers_lock;
    struct fr_store_reader *readers; /* their transactions end when env is closed */
    int64_t look_ms;                 /* monotonic: when the file is looked for next */
    bool gone;                       /* it was not there */
    MDB_dbi records, cursors, about;
    pthread_mutex_t writing; /* held by who has txn */
    MDB_txn *txn;
    enum fr_store_fault fault; /* of the last write */
    uint64_t next, committed;  /* the second as it was before txn */
    unsigned page_size;
    void *map;
    size_t map_size;
    _Atomic size_t read_bytes;
};

struct fr_store_reader {
    struct fr_store *store;
    MDB_txn *txn; /* reset between uses; NULL: to be begun */
    struct fr_store_reader *next;
};

/* Say which call failed, and why. Returns -1. */
int fr_store_failed(const struct fr_store *store, struct fr_error *error, const char *what,
                    int code);

/* The same for a write: the store's fault is set too. */
int fr_store_write_failed(struct fr_store *store, struct fr_error *error, const char *what,
                          int code);

/* Whether data.mdb is not at its path any more, and why that matters. Looked at once a second. */
bool fr_store_gone(struct fr_store *store, struct fr_error *error);

/* Bytes in pages of records. */
uint64_t fr_store_pages(const struct fr_store *store, MDB_txn *txn);

/* The number of the first or last record, 0 for none, and when it was appended. */
uint64_t fr_store_edge(const struct fr_store *store, MDB_txn *txn, MDB_cursor_op op, int64_t *ms);

/* The name of the number that fr_store_add_dropped keeps for a cursor. */
#define FR_DROPPED_PREFIX "dropped/"
#define FR_DROPPED_KEY_SIZE (sizeof FR_DROPPED_PREFIX + FR_STORE_NAME_MAX)
void fr_store_dropped_key(const char *cursor, char key[FR_DROPPED_KEY_SIZE]);

/* The number of the next record, from the open environment. */
uint64_t fr_store_find_next(struct fr_store *store);

#endif
