#include "journal/value_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/value_store_state.h"
#include "util/buffer.h"

#define CHUNK_BYTES 262144 /* copied in one read transaction, plus at most one value */

/* ---- writing --------------------------------------------------------------------- */

/* How much is stored of one vehicle; on disk under field 0. */
struct vehicle_sum {
    uint32_t fields, unknown;
    uint64_t bytes;
};

struct writing {
    struct fr_value_store *store;
    MDB_txn *txn;
    const char *vin; /* the vehicle whose sum is loaded; NULL: none */
    struct vehicle_sum sum;
    bool sum_changed;
    bool full; /* new keys are skipped */
    size_t over_bound;
};

static int values_store_sum(struct writing *w)
{
    uint8_t name[FR_VALUE_KEY_MAX];
    MDB_val key = {0, name}, data = {sizeof w->sum, &w->sum};

    if (!w->sum_changed)
        return 0;
    w->sum_changed = false;
    key.mv_size = fr_value_key(name, w->vin, 0);
    return mdb_put(w->txn, w->store->file.table, &key, &data, 0);
}

static int values_load_sum(struct writing *w, const char *vin)
{
    uint8_t name[FR_VALUE_KEY_MAX];
    MDB_val key = {0, name}, data;
    int code;

    if (w->vin != NULL && strcmp(w->vin, vin) == 0)
        return 0;
    code = values_store_sum(w);
    w->vin = vin;
    w->sum = (struct vehicle_sum){0, 0, 0};
    if (code != 0)
        return code;
    key.mv_size = fr_value_key(name, vin, 0);
    code = mdb_get(w->txn, w->store->file.table, &key, &data);
    if (code == 0 && data.mv_size == sizeof w->sum)
        memcpy(&w->sum, data.mv_data, sizeof w->sum);
    return code == MDB_NOTFOUND ? 0 : code;
}

/* Whether the vehicle stays within its bounds with this value, which replaces one of `before`
 * bytes. */
static bool values_within_bounds(const struct writing *w, const struct fr_last_value *value,
                                 bool is_new, size_t before)
{
    bool known = fr_value_field_known(value->field);

    if (!fr_last_value_fits(value->field, value->len) ||
        w->sum.bytes - before + value->len > FR_VALUE_VEHICLE_BYTES_MAX)
        return false;
    return !is_new || (!w->full && (known ? w->sum.fields < FR_VALUE_FIELDS_MAX
                                          : w->sum.unknown < FR_VALUE_UNKNOWN_MAX));
}

static int values_put_one(struct writing *w, const struct fr_last_value *value)
{
    uint8_t name[FR_VALUE_KEY_MAX];
    MDB_val key = {0, name}, data;
    struct fr_last_value stored;
    size_t before = 0;
    int code = values_load_sum(w, value->vin);
    bool is_new;

    if (code != 0)
        return code;
    key.mv_size = fr_value_key(name, value->vin, value->field);
    code = mdb_get(w->txn, w->store->file.table, &key, &data);
    is_new = code == MDB_NOTFOUND;
    if (code != 0 && !is_new)
        return code;
    if (!is_new &&
        fr_last_value_parse(key.mv_data, key.mv_size, data.mv_data, data.mv_size, &stored)) {
        if (fr_last_value_time(&stored) > fr_last_value_time(value))
            return 0;
        before = stored.len;
    }
    if (!values_within_bounds(w, value, is_new, before)) {
        w->over_bound++;
        return 0;
    }
    data = (MDB_val){FR_VALUE_HEAD + value->len, NULL};
    code = mdb_put(w->txn, w->store->file.table, &key, &data, MDB_RESERVE);
    if (code != 0)
        return code;
    memcpy(data.mv_data, &value->created_ns, 8);
    memcpy((uint8_t *)data.mv_data + 8, &value->received_ms, 8);
    memcpy((uint8_t *)data.mv_data + FR_VALUE_HEAD, value->bytes, value->len);
    if (is_new || before != value->len) {
        w->sum.bytes += value->len - before;
        w->sum.fields += is_new && fr_value_field_known(value->field);
        w->sum.unknown += is_new && !fr_value_field_known(value->field);
        w->sum_changed = true;
    }
    return 0;
}

int fr_value_store_put(struct fr_value_store *store, const struct fr_last_value *const *values,
                       size_t count, size_t *over_bound, struct fr_error *error)
{
    struct writing w = {.store = store};
    int code = MDB_PANIC;

    if (store->file.env != NULL)
        code = mdb_txn_begin(store->file.env, NULL, 0, &w.txn);
    store->file.code = code;
    if (code != 0)
        return fr_value_store_failed(store, error, "begin", code);
    w.full = fr_unsynced_used_bytes(&store->file, w.txn) > FR_VALUE_STORE_FULL;
    for (size_t i = 0; i < count && code == 0; i++)
        code = values_put_one(&w, values[i]);
    if (code == 0)
        code = values_store_sum(&w);
    if (code == 0)
        code = mdb_txn_commit(w.txn);
    else
        mdb_txn_abort(w.txn);
    store->file.code = code;
    *over_bound = w.over_bound;
    return code == 0 ? 0 : fr_value_store_failed(store, error, "write them", code);
}

/* ---- reading --------------------------------------------------------------------- */

struct chunk {
    struct fr_buffer rows; /* for each: struct fr_last_value, then its bytes */
    size_t count;
    uint8_t from[FR_VALUE_KEY_MAX]; /* key at which the next chunk begins */
    size_t from_len;
    uint32_t field; /* only values of this field; 0: of all */
    bool ended;
};

static void values_add_to_chunk(struct chunk *chunk, const struct fr_last_value *value)
{
    fr_buffer_append(&chunk->rows, value, sizeof *value);
    fr_buffer_append(&chunk->rows, value->bytes, value->len);
    chunk->count++;
}

/* Read the first value of `value`'s vehicle from a field on, or of the next vehicle, without the values in
 * between. Returns an LMDB code. */
static int values_skip_to(MDB_cursor *cursor, const struct fr_last_value *value, uint32_t field,
                          MDB_val *key, MDB_val *data)
{
    uint8_t name[FR_VALUE_KEY_MAX];

    key->mv_size = fr_value_key(name, value->vin, field);
    key->mv_data = name;
    return mdb_cursor_get(cursor, key, data, MDB_SET_RANGE);
}

/* Copy the values from chunk->from on, of one vehicle or of all. Returns an LMDB code. */
static int values_fill_chunk(struct fr_value_store *store, const char *vin, struct chunk *chunk)
{
    MDB_val key = {chunk->from_len, chunk->from}, data;
    struct fr_last_value value;
    MDB_cursor *cursor = NULL;
    MDB_txn *txn;
    int code = mdb_txn_begin(store->file.env, NULL, MDB_RDONLY, &txn);

    if (code != 0)
        return code;
    code = mdb_cursor_open(txn, store->file.table, &cursor);
    if (code == 0)
        code = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    for (; code == 0 && chunk->rows.len < CHUNK_BYTES && !chunk->ended;
         code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) {
        if (!fr_last_value_parse(key.mv_data, key.mv_size, data.mv_data, data.mv_size, &value))
            continue;
        if (value.field < chunk->field) {
            code = values_skip_to(cursor, &value, chunk->field, &key, &data);
            if (code != 0)
                break;
            if (!fr_last_value_parse(key.mv_data, key.mv_size, data.mv_data, data.mv_size, &value))
                continue;
        }
        if (chunk->field != 0 && value.field != chunk->field)
            continue;
        chunk->ended = vin != NULL && strcmp(vin, value.vin) != 0;
        if (!chunk->ended)
            values_add_to_chunk(chunk, &value);
    }
    if (code == 0 && key.mv_size <= sizeof chunk->from) {
        memcpy(chunk->from, key.mv_data, key.mv_size);
        chunk->from_len = key.mv_size;
    }
    chunk->ended = chunk->ended || code != 0;
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return code == MDB_NOTFOUND ? 0 : code;
}

/* Call each() for the values of the chunk. False: each() returned false. */
static bool values_each_of_chunk(const struct chunk *chunk,
                                 bool (*each)(void *ctx, const struct fr_last_value *value),
                                 void *ctx)
{
    const uint8_t *at = chunk->rows.bytes;

    for (size_t i = 0; i < chunk->count; i++) {
        struct fr_last_value value;

        memcpy(&value, at, sizeof value);
        value.bytes = at + sizeof value;
        at += sizeof value + value.len;
        if (!each(ctx, &value))
            return false;
    }
    return true;
}

static int values_each(struct fr_value_store *store, const char *vin, uint32_t field,
                       bool (*each)(void *ctx, const struct fr_last_value *value), void *ctx,
                       struct fr_error *error)
{
    struct chunk chunk = {.from = "", .from_len = 1, .field = field};
    int code = 0;

    if (vin != NULL)
        chunk.from_len = fr_value_key(chunk.from, vin, 0);
    while (code == 0 && !chunk.ended) {
        fr_buffer_clear(&chunk.rows);
        chunk.count = 0;
        pthread_rwlock_rdlock(&store->file.lock);
        code = store->file.env != NULL ? values_fill_chunk(store, vin, &chunk) : MDB_PANIC;
        pthread_rwlock_unlock(&store->file.lock);
        if (chunk.rows.failed)
            code = ENOMEM;
        else if (code == 0 && !values_each_of_chunk(&chunk, each, ctx))
            break;
    }
    fr_buffer_free(&chunk.rows);
    return code == 0 ? 0 : fr_value_store_failed(store, error, "read them", code);
}

int fr_value_store_each(struct fr_value_store *store, const char *vin,
                        bool (*each)(void *ctx, const struct fr_last_value *value), void *ctx,
                        struct fr_error *error)
{
    return values_each(store, vin, 0, each, ctx, error);
}

int fr_value_store_each_of_field(struct fr_value_store *store, uint32_t field,
                                 bool (*each)(void *ctx, const struct fr_last_value *value),
                                 void *ctx, struct fr_error *error)
{
    return values_each(store, NULL, field, each, ctx, error);
}

void fr_value_store_usage(struct fr_value_store *store, uint64_t *used, uint64_t *limit)
{
    MDB_txn *txn;

    *used = 0;
    *limit = FR_VALUE_STORE_MAX;
    pthread_rwlock_rdlock(&store->file.lock);
    if (store->file.env != NULL && mdb_txn_begin(store->file.env, NULL, MDB_RDONLY, &txn) == 0) {
        *used = fr_unsynced_used_bytes(&store->file, txn);
        mdb_txn_abort(txn);
    }
    pthread_rwlock_unlock(&store->file.lock);
}
