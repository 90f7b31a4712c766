#include "history/history_sweep.h"

#include <string.h>

#include "history/chunk.h"
#include "history/history_field.h"
#include "history/history_settings.h"
#include "history/history_write.h"

#define DELETE_MAX 4000 /* rows in one transaction */
#define VEHICLES_MAX 64 /* vehicles in one transaction */

struct history_sweeping {
    struct fr_history_txn txn;
    MDB_cursor *cursor;
    const struct fr_history_sweep *sweep;
    int64_t now_ms;
    double factor; /* of the time that the vehicle keeps */
    size_t deleted;
};

/* The time before which rows of a series are deleted; a chunk counts by its end. */
static int64_t sweep_horizon(const struct history_sweeping *s, const struct fr_history_key *key)
{
    int64_t keep_ms = FR_HISTORY_LONG_MS, keep_short = s->sweep->keep_ms, span = 0;
    enum fr_chunk_kind kind = FR_CHUNK_STATES;

    if (key->kind == FR_HISTORY_VEHICLE)
        return INT64_MIN;
    if (key->kind == FR_HISTORY_SERIES) {
        if (key->level == FR_LEVEL_TEN_MINUTES)
            keep_ms = FR_HISTORY_LONG_MS;
        else if (key->level == FR_LEVEL_RAW && fr_history_field_kind(key->field, &kind) &&
                 kind == FR_CHUNK_NUMBERS && keep_short > FR_HISTORY_RAW_MS)
            keep_ms = FR_HISTORY_RAW_MS;
        else
            keep_ms = keep_short;
        span = fr_chunk_span_ms(kind, (enum fr_history_level)key->level);
    }
    return s->now_ms - (int64_t)((double)keep_ms * s->factor) - span;
}

/* Move to the first row from `key` on. Returns 0 or an LMDB code. */
static int sweep_seek(struct history_sweeping *s, const struct fr_history_key *key,
                      struct fr_history_key *found)
{
    uint8_t bytes[FR_HISTORY_KEY_MAX];
    MDB_val name = {fr_history_key_write(key, bytes), bytes}, data;
    int code = mdb_cursor_get(s->cursor, &name, &data, MDB_SET_RANGE);

    while (code == 0 && !fr_history_key_parse(name.mv_data, name.mv_size, found))
        code = mdb_cursor_get(s->cursor, &name, &data, MDB_NEXT);
    return code;
}

/* Count a deleted row of a kind that has a bound. */
static void sweep_count_deleted(struct fr_history_vehicle *vehicle, enum fr_history_kind kind)
{
    if (kind == FR_HISTORY_ALERT && vehicle->row.alerts > 0)
        vehicle->row.alerts--;
    if (kind == FR_HISTORY_CONNECTION && vehicle->row.connections > 0)
        vehicle->row.connections--;
}

/* Delete the old rows of a vehicle: series by series, from the oldest row of each. Returns 0 or an
 * LMDB code. *rows: whether rows beside that of the vehicle remain. */
static int sweep_vehicle(struct history_sweeping *s, struct fr_history_vehicle *vehicle, bool *rows)
{
    struct fr_history_key key = {.kind = (enum fr_history_kind)1}, found;
    int code = 0;

    *rows = false;
    memcpy(key.vin, vehicle->vin, sizeof key.vin);
    while (code == 0 && s->deleted < DELETE_MAX) {
        code = sweep_seek(s, &key, &found);
        if (code != 0 || strcmp(found.vin, vehicle->vin) != 0)
            break;
        key = found;
        if (found.ms < sweep_horizon(s, &found) || found.ms == INT64_MAX) {
            code = fr_history_delete(&s->txn, vehicle, &found);
            sweep_count_deleted(vehicle, found.kind);
            s->deleted++;
            continue;
        }
        *rows = *rows || found.kind != FR_HISTORY_VEHICLE;
        key.ms = INT64_MAX; /* to the next series */
        key.extra = UINT32_MAX;
    }
    *rows = *rows || s->deleted >= DELETE_MAX;
    return code == MDB_NOTFOUND ? 0 : code;
}

/* The part of the usual time that a vehicle keeps its rows. */
static double sweep_factor(const struct fr_history_vehicle *vehicle, uint64_t share)
{
    double factor = (double)share / (double)(vehicle->row.bytes + 1) * 0.8;

    return factor < 1 ? factor : 1;
}

/* Write the row of a vehicle, or delete it with the vehicle. */
static int sweep_write_vehicle(struct history_sweeping *s, struct fr_history_vehicles *vehicles,
                               struct fr_history_vehicle *vehicle, bool rows,
                               struct fr_buffer *buffer)
{
    struct fr_history_key key = {.kind = FR_HISTORY_VEHICLE};
    int code;

    memcpy(key.vin, vehicle->vin, sizeof key.vin);
    if (rows || vehicle->row.last_ms >= s->now_ms - FR_HISTORY_LONG_MS) {
        if (!vehicle->changed)
            return 0;
        fr_vehicle_row_encode(&vehicle->row, buffer);
        return fr_history_put(&s->txn, vehicle, &key, buffer, NULL);
    }
    code = fr_history_delete(&s->txn, vehicle, &key);
    if (code == 0)
        fr_history_vehicles_remove(vehicles, vehicle);
    return code;
}

/* Sweep vehicles from sweep->index on. Returns 0 or an LMDB code. */
static int sweep_some(struct history_sweeping *s, struct fr_history_vehicles *vehicles,
                      size_t *index, struct fr_buffer *buffer)
{
    uint64_t size = s->txn.store->size;
    bool nearly_full = fr_history_nearly_full(size, s->txn.used), end = false;
    uint64_t share = fr_history_share(size, s->txn.used, fr_history_vehicles_bytes(vehicles),
                                      fr_history_vehicles_count(vehicles));
    int code = 0;

    for (size_t n = 0; n < VEHICLES_MAX && code == 0 && s->deleted < DELETE_MAX;) {
        struct fr_history_vehicle *v = fr_history_vehicles_at(vehicles, *index, &end);
        bool rows;

        if (end) {
            *index = 0;
            break;
        }
        if (v != NULL) {
            s->factor = nearly_full ? sweep_factor(v, share) : 1;
            code = sweep_vehicle(s, v, &rows);
            if (code == 0)
                code = sweep_write_vehicle(s, vehicles, v, rows, buffer);
            n++;
        }
        if (s->deleted < DELETE_MAX)
            ++*index;
    }
    return code;
}

/* After a commit the sums are those on disk; after an abort they are restored. */
static void sweep_finish(struct fr_history_vehicles *vehicles, bool committed)
{
    bool end = false;

    for (size_t i = 0; !end; i++) {
        struct fr_history_vehicle *v = fr_history_vehicles_at(vehicles, i, &end);

        if (v != NULL && v->changed) {
            v->changed = false;
            fr_history_vehicle_finish(v, committed);
        }
    }
}

int fr_history_sweep(struct fr_history_store *store, struct fr_history_vehicles *vehicles,
                     struct fr_history_sweep *sweep, int64_t now_ms, bool *more,
                     struct fr_error *error)
{
    struct history_sweeping s = {.sweep = sweep, .now_ms = now_ms, .factor = 1};
    struct fr_buffer buffer = {0};
    size_t index = sweep->index;
    int code = fr_history_begin(store, &s.txn);

    *more = false;
    if (code != 0)
        return fr_unsynced_failed(&store->file, error, "delete old rows of the file", code);
    code = mdb_cursor_open(s.txn.txn, store->file.table, &s.cursor);
    if (code == 0) {
        code = sweep_some(&s, vehicles, &index, &buffer);
        mdb_cursor_close(s.cursor);
    }
    if (code == 0)
        code = fr_history_commit(&s.txn);
    else
        fr_history_abort(&s.txn, code);
    sweep_finish(vehicles, code == 0);
    fr_buffer_free(&buffer);
    if (code != 0)
        return fr_unsynced_failed(&store->file, error, "delete old rows of the file", code);
    sweep->index = index;
    *more = index != 0;
    return 0;
}
