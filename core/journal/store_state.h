/*
 * The shared structs of the journal's store: the open LMDB environment and its readers.
 *
 * Internal to core/journal, for store_*.c, check.c and unit tests.
 *
 * Lock order: `writing`, then `env_lock`, then `readers_lock`.
 */
#ifndef FR_STORE_STATE_H
#define FR_STORE_STATE_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/store_fault.h"

struct fr_store_reader;

struct fr_store {
    char *path;
    int lock_fd;      /* descriptor of the locked folder; -1: opened without the lock */
    size_t map_limit; /* bytes: the limit of data.mdb */
    unsigned flags;   /* flags of mdb_env_open() */

    /* Taken for reading by users of env, for writing by fr_store_reopen(). */
    pthread_rwlock_t env_lock;
    MDB_env *env;                    /* NULL: the last fr_store_reopen() failed */
    pthread_mutex_t readers_lock;    /* protects `readers` */
    struct fr_store_reader *readers; /* their transactions end when env is closed */
    int64_t next_file_check_ms; /* monotonic: when fr_store_missing() examines the path again */
    bool missing;               /* result of the last examination */
    MDB_dbi records, cursors, about;
    pthread_mutex_t writing; /* protects txn; locked from fr_store_begin() to commit or abort */
    MDB_txn *txn;
    enum fr_store_fault fault; /* of the last write */
    uint64_t next;             /* sequence number of the next record */
    uint64_t committed;        /* value of `next` when txn began */
    unsigned page_size;        /* bytes */
    uint64_t extended;         /* fr_store_extend() need not look before the file has this size */
    void *map;                 /* where data.mdb is mapped; NULL: unknown */
    size_t map_size;
    _Atomic size_t read_bytes; /* read since pages of the map were last released */
};

struct fr_store_reader {
    struct fr_store *store;
    MDB_txn *txn; /* reset between uses; NULL: begins with the next use */
    struct fr_store_reader *next;
};

#endif
