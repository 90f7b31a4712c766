#include "journal/store_base.h"

#include <stdio.h>
#include <string.h>

#include "journal/stored_record.h"

void fr_store_dropped_key(const char *cursor, char key[FR_DROPPED_KEY_SIZE])
{
    snprintf(key, FR_DROPPED_KEY_SIZE, FR_DROPPED_PREFIX "%.*s", FR_STORE_NAME_MAX, cursor);
}

uint64_t fr_store_pages(const struct fr_store *store, MDB_txn *txn)
{
    MDB_stat s;

    if (mdb_stat(txn, store->records, &s) != 0)
        return 0;
    return (s.ms_branch_pages + s.ms_leaf_pages + s.ms_overflow_pages) * (uint64_t)s.ms_psize;
}

uint64_t fr_store_edge(const struct fr_store *store, MDB_txn *txn, MDB_cursor_op op, int64_t *ms)
{
    MDB_cursor *cursor;
    MDB_val key, data;
    uint64_t seq = 0;
    struct fr_stored stored;

    if (mdb_cursor_open(txn, store->records, &cursor) != 0)
        return 0;
    if (mdb_cursor_get(cursor, &key, &data, op) == 0) {
        memcpy(&seq, key.mv_data, sizeof seq);
        if (ms != NULL && fr_stored_parse_head(data.mv_data, data.mv_size, &stored) == 0)
            *ms = stored.appended_ms;
    }
    mdb_cursor_close(cursor);
    return seq;
}

uint64_t fr_store_find_next(struct fr_store *store)
{
    uint64_t last = 0;
    MDB_txn *txn;

    if (mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn) != 0)
        return 1;
    last = fr_store_edge(store, txn, MDB_LAST, NULL);
    mdb_txn_abort(txn);
    return last + 1;
}

int fr_store_read_begin(struct fr_store_reader *reader, struct fr_error *error)
{
    struct fr_store *store = reader->store;
    int code = MDB_PANIC;

    pthread_rwlock_rdlock(&store->env_lock);
    if (store->env != NULL)
        code = reader->txn != NULL ? mdb_txn_renew(reader->txn)
                                   : mdb_txn_begin(store->env, NULL, MDB_RDONLY, &reader->txn);
    if (code == 0)
        return 0;
    pthread_rwlock_unlock(&store->env_lock);
    return fr_store_failed(store, error, "read", code);
}

void fr_store_read_end(struct fr_store_reader *reader)
{
    mdb_txn_reset(reader->txn);
    pthread_rwlock_unlock(&reader->store->env_lock);
}
