#include "journal/store_write.h"

#include <assert.h>
#include <string.h>

#include "journal/store_base.h"
#include "journal/stored_record.h"

int fr_store_begin(struct fr_store *store, struct fr_error *error)
{
    int code = MDB_PANIC;

    pthread_mutex_lock(&store->writing);
    if (store->env != NULL && !(store->flags & MDB_RDONLY) && fr_store_missing(store, error)) {
        pthread_mutex_unlock(&store->writing);
        return -1;
    }
    if (store->env != NULL)
        code = mdb_txn_begin(store->env, NULL, 0, &store->txn);
    if (code == 0) {
        store->committed = store->next;
        return 0;
    }
    store->txn = NULL;
    fr_store_write_failed(store, error, "begin", code);
    pthread_mutex_unlock(&store->writing);
    return -1;
}

void fr_store_abort(struct fr_store *store)
{
    if (store->txn != NULL)
        mdb_txn_abort(store->txn);
    store->txn = NULL;
    store->next = store->committed; /* the aborted numbers are assigned again */
    pthread_mutex_unlock(&store->writing);
}

int fr_store_commit(struct fr_store *store, struct fr_error *error)
{
    int code;

    assert(store->txn != NULL);
    code = mdb_txn_commit(store->txn);

    store->txn = NULL;
    if (code == 0)
        store->fault = FR_STORE_OK;
    else {
        store->next = store->committed;
        fr_store_write_failed(store, error, "commit", code);
    }
    pthread_mutex_unlock(&store->writing);
    return code == 0 ? 0 : -1;
}

int fr_store_append(struct fr_store *store, struct fr_record *record, int64_t appended_ms,
                    struct fr_error *error)
{
    uint64_t seq = store->next;
    MDB_val key = {sizeof seq, &seq}, data = {fr_stored_size(record), NULL};
    int code = mdb_put(store->txn, store->records, &key, &data, MDB_APPEND | MDB_RESERVE);

    if (code != 0)
        return fr_store_write_failed(store, error, "append a record", code);
    fr_stored_write(record, appended_ms, data.mv_data);
    record->seq = seq;
    store->next++;
    return 0;
}

int fr_store_set_cursor(struct fr_store *store, const char *name, uint64_t seq, int64_t now_ms,
                        struct fr_error *error)
{
    uint64_t numbers[2] = {seq, (uint64_t)now_ms};
    MDB_val key = {strnlen(name, FR_STORE_NAME_MAX), (void *)(uintptr_t)name},
            data = {sizeof numbers, numbers};
    int code = mdb_put(store->txn, store->cursors, &key, &data, 0);

    return code == 0 ? 0 : fr_store_write_failed(store, error, "move a cursor", code);
}

static bool store_may_delete(const struct fr_store *store, const struct fr_store_old *old,
                             uint64_t seq, const MDB_val *data)
{
    struct fr_stored stored;

    if (seq + 1 == store->next || seq >= old->needed)
        return false;
    return seq < old->below || (fr_stored_parse_head(data->mv_data, data->mv_size, &stored) == 0 &&
                                stored.appended_ms < old->before_ms);
}

int fr_store_prune(struct fr_store *store, const struct fr_store_old *old, size_t max,
                   struct fr_store_pruned *pruned, struct fr_error *error)
{
    MDB_cursor *cursor;
    MDB_val key, data;
    int code = mdb_cursor_open(store->txn, store->records, &cursor);

    *pruned = (struct fr_store_pruned){.count = 0};
    if (code != 0)
        return fr_store_write_failed(store, error, "prune", code);
    while (pruned->count < max && (code = mdb_cursor_get(cursor, &key, &data, MDB_FIRST)) == 0) {
        uint64_t seq;

        memcpy(&seq, key.mv_data, sizeof seq);
        if (!store_may_delete(store, old, seq, &data) || (code = mdb_cursor_del(cursor, 0)) != 0)
            break;
        if (pruned->count++ == 0)
            pruned->first = seq;
        pruned->end = seq + 1;
    }
    mdb_cursor_close(cursor);
    return code == 0 || code == MDB_NOTFOUND ? 0
                                             : fr_store_write_failed(store, error, "prune", code);
}

uint64_t fr_store_record_bytes(struct fr_store *store)
{
    return fr_store_pages(store, store->txn);
}

uint64_t fr_store_first(struct fr_store *store)
{
    return fr_store_edge(store, store->txn, MDB_FIRST, NULL);
}

int fr_store_put_number(struct fr_store *store, const char *name, uint64_t number,
                        struct fr_error *error)
{
    MDB_val key = {strlen(name), (void *)(uintptr_t)name}, data = {sizeof number, &number};
    int code = mdb_put(store->txn, store->about, &key, &data, 0);

    return code == 0 ? 0 : fr_store_write_failed(store, error, "write a number", code);
}

int fr_store_add_dropped(struct fr_store *store, const char *cursor, uint64_t add, uint64_t *total,
                         struct fr_error *error)
{
    char name[FR_DROPPED_KEY_SIZE];
    MDB_val key = {0, name}, data;
    int code;

    fr_store_dropped_key(cursor, name);
    key.mv_size = strlen(name);
    code = mdb_get(store->txn, store->about, &key, &data);
    *total = 0;
    if (code != 0 && code != MDB_NOTFOUND)
        return fr_store_write_failed(store, error, "read a number", code);
    if (code == 0 && data.mv_size == sizeof *total)
        memcpy(total, data.mv_data, sizeof *total);
    *total += add;
    return add == 0 ? 0 : fr_store_put_number(store, name, *total, error);
}

uint64_t fr_store_next(const struct fr_store *store)
{
    return store->next;
}

void fr_store_skip_to(struct fr_store *store, uint64_t next)
{
    if (next > store->next)
        store->next = next;
}
