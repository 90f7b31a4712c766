#include "history/history_store.h"

#include <errno.h>
#include <string.h>

#include "util/counters.h"

#define SLACK_BYTES (UINT64_C(16) << 20) /* for pages that a transaction replaces */

static const struct fr_unsynced_kind history_kind = {
    .name = "history",
    .are = "is",
    .table = "history",
    .rebuilt = FR_COUNT_HISTORY_REBUILT,
};

/* The key of the number of the next record. No VIN is empty. */
static const char next_key[] = {'\0', 'n', 'e', 'x', 't'};

int fr_history_store_open(struct fr_history_store *store, const char *folder, uint64_t size,
                          bool *fresh, struct fr_error *error)
{
    store->size = size;
    return fr_unsynced_open(&store->file, &history_kind, folder, size + size / 4 + SLACK_BYTES,
                            fresh, error);
}

void fr_history_store_close(struct fr_history_store *store)
{
    fr_unsynced_close(&store->file);
}

int fr_history_store_recover(struct fr_history_store *store, bool *fresh, struct fr_error *error)
{
    return fr_unsynced_recover(&store->file, fresh, error);
}

/* ---- writing --------------------------------------------------------------------- */

int fr_history_begin(struct fr_history_store *store, struct fr_history_txn *txn)
{
    int code = MDB_PANIC;

    *txn = (struct fr_history_txn){.store = store};
    if (store->file.env != NULL)
        code = mdb_txn_begin(store->file.env, NULL, 0, &txn->txn);
    store->file.code = code;
    if (code == 0)
        txn->used = fr_unsynced_used_bytes(&store->file, txn->txn);
    return code;
}

int fr_history_commit(struct fr_history_txn *txn)
{
    int code = mdb_txn_commit(txn->txn);

    txn->store->file.code = code;
    return code;
}

void fr_history_abort(struct fr_history_txn *txn, int code)
{
    mdb_txn_abort(txn->txn);
    txn->store->file.code = code;
}

int fr_history_get(struct fr_history_txn *txn, const struct fr_history_key *key, MDB_val *data)
{
    uint8_t bytes[FR_HISTORY_KEY_MAX];
    MDB_val name = {fr_history_key_write(key, bytes), bytes};

    return mdb_get(txn->txn, txn->store->file.table, &name, data);
}

/* The bytes of an existing row with its key; 0: there is none. Returns 0 or an LMDB code. */
static int history_row_bytes(struct fr_history_txn *txn, MDB_val *name, uint64_t *bytes)
{
    MDB_val data;
    int code = mdb_get(txn->txn, txn->store->file.table, name, &data);

    *bytes = code == 0 ? name->mv_size + data.mv_size : 0;
    return code == MDB_NOTFOUND ? 0 : code;
}

static void history_change_bytes(struct fr_history_vehicle *vehicle, uint64_t removed,
                                 uint64_t added)
{
    uint64_t *bytes = &vehicle->row.bytes;

    *bytes = *bytes > removed ? *bytes - removed + added : added;
    vehicle->changed = true;
}

int fr_history_put(struct fr_history_txn *txn, struct fr_history_vehicle *vehicle,
                   const struct fr_history_key *key, const struct fr_buffer *row, bool *is_new)
{
    uint8_t bytes[FR_HISTORY_KEY_MAX];
    MDB_val name = {fr_history_key_write(key, bytes), bytes}, data = {row->len, row->bytes};
    uint64_t before;
    int code;

    if (row->failed)
        return ENOMEM;
    code = history_row_bytes(txn, &name, &before);
    if (code == 0)
        code = mdb_put(txn->txn, txn->store->file.table, &name, &data, 0);
    if (code == 0)
        history_change_bytes(vehicle, before, name.mv_size + row->len);
    if (is_new != NULL)
        *is_new = before == 0;
    return code;
}

int fr_history_delete(struct fr_history_txn *txn, struct fr_history_vehicle *vehicle,
                      const struct fr_history_key *key)
{
    uint8_t bytes[FR_HISTORY_KEY_MAX];
    MDB_val name = {fr_history_key_write(key, bytes), bytes};
    uint64_t before;
    int code = history_row_bytes(txn, &name, &before);

    if (code != 0 || before == 0)
        return code;
    code = mdb_del(txn->txn, txn->store->file.table, &name, NULL);
    if (code == 0)
        history_change_bytes(vehicle, before, 0);
    return code;
}

int fr_history_put_next(struct fr_history_txn *txn, uint64_t next)
{
    MDB_val name = {sizeof next_key, (void *)(uintptr_t)next_key}, data = {sizeof next, &next};

    return mdb_put(txn->txn, txn->store->file.table, &name, &data, 0);
}

/* ---- reading --------------------------------------------------------------------- */

int fr_history_read_begin(struct fr_history_store *store, struct fr_history_reading *r,
                          struct fr_error *error)
{
    int code = MDB_PANIC;

    memset(r, 0, sizeof *r);
    r->store = store;
    pthread_rwlock_rdlock(&store->file.lock);
    if (store->file.env != NULL)
        code = mdb_txn_begin(store->file.env, NULL, MDB_RDONLY, &r->txn);
    if (code == 0 && (code = mdb_cursor_open(r->txn, store->file.table, &r->cursor)) != 0)
        mdb_txn_abort(r->txn);
    if (code == 0)
        return 0;
    pthread_rwlock_unlock(&store->file.lock);
    return fr_unsynced_failed(&store->file, error, "read the file", code);
}

void fr_history_read_end(struct fr_history_reading *r)
{
    mdb_cursor_close(r->cursor);
    mdb_txn_abort(r->txn);
    pthread_rwlock_unlock(&r->store->file.lock);
}

/* Take the current row, or the first valid one in the direction of `op`. */
static bool history_read_row(struct fr_history_reading *r, MDB_val *name, int code,
                             MDB_cursor_op op)
{
    while (code == 0 && !fr_history_key_parse(name->mv_data, name->mv_size, &r->key))
        code = mdb_cursor_get(r->cursor, name, &r->data, op);
    return code == 0;
}

bool fr_history_read_from(struct fr_history_reading *r, const struct fr_history_key *key)
{
    uint8_t bytes[FR_HISTORY_KEY_MAX];
    MDB_val name = {fr_history_key_write(key, bytes), bytes};
    int code = mdb_cursor_get(r->cursor, &name, &r->data, MDB_SET_RANGE);

    return history_read_row(r, &name, code, MDB_NEXT);
}

bool fr_history_read_following(struct fr_history_reading *r)
{
    MDB_val name;
    int code = mdb_cursor_get(r->cursor, &name, &r->data, MDB_NEXT);

    return history_read_row(r, &name, code, MDB_NEXT);
}

bool fr_history_read_before(struct fr_history_reading *r, const struct fr_history_key *key)
{
    uint8_t bytes[FR_HISTORY_KEY_MAX];
    MDB_val name = {fr_history_key_write(key, bytes), bytes};
    int code = mdb_cursor_get(r->cursor, &name, &r->data, MDB_SET_RANGE);

    if (code == MDB_NOTFOUND)
        code = mdb_cursor_get(r->cursor, &name, &r->data, MDB_LAST);
    else if (code == 0)
        code = mdb_cursor_get(r->cursor, &name, &r->data, MDB_PREV);
    return history_read_row(r, &name, code, MDB_PREV);
}

int fr_history_read_next(struct fr_history_store *store, uint64_t *next, struct fr_error *error)
{
    MDB_val name = {sizeof next_key, (void *)(uintptr_t)next_key}, data;
    struct fr_history_reading r;

    *next = 0;
    if (fr_history_read_begin(store, &r, error) != 0)
        return -1;
    if (mdb_get(r.txn, store->file.table, &name, &data) == 0 && data.mv_size == sizeof *next)
        memcpy(next, data.mv_data, sizeof *next);
    fr_history_read_end(&r);
    return 0;
}

int fr_history_read_vehicles(struct fr_history_store *store,
                             void (*each)(void *ctx, const char *vin,
                                          const struct fr_vehicle_row *row),
                             void *ctx, struct fr_error *error)
{
    struct fr_history_key key = {.vin = "\x01"}; /* before the first VIN */
    struct fr_history_reading r;
    struct fr_vehicle_row row;
    bool found;

    if (fr_history_read_begin(store, &r, error) != 0)
        return -1;
    found = fr_history_read_from(&r, &key);
    while (found) {
        key = (struct fr_history_key){.kind = FR_HISTORY_VEHICLE};
        memcpy(key.vin, r.key.vin, sizeof key.vin);
        /* Rows of a vehicle without its own row are kept under an empty one until they expire. */
        if (!fr_history_read_from(&r, &key) || strcmp(r.key.vin, key.vin) != 0 ||
            !fr_vehicle_row_decode(&row, r.data.mv_data, r.data.mv_size))
            memset(&row, 0, sizeof row), fr_session_reset(&row.session);
        each(ctx, key.vin, &row);
        key.kind = (enum fr_history_kind)UINT8_MAX;
        found = fr_history_read_from(&r, &key);
    }
    fr_history_read_end(&r);
    return 0;
}
