#include "history/history_write.h"

#include <stdlib.h>
#include <string.h>

#include "history/session_row.h"
#include "util/counters.h"
#include "util/hash.h"
#include "util/memory.h"

/* The state of writing one batch. */
struct history_writer {
    struct fr_history_intake *intake;
    struct fr_history_txn txn;
    struct fr_chunk chunk;              /* the chunk that is being changed */
    bool chunk_open;                    /* `chunk` has changes that are not in the transaction */
    struct fr_history_vehicle *vehicle; /* of the chunk */
    uint32_t field;                     /* of the chunk */
    struct fr_day day;
    struct fr_buffer row;
    uint64_t share;         /* bytes of a vehicle while the file is nearly full */
    bool nearly_full, full; /* full: no value is stored */
    uint64_t over_bound, points;
};

/* ---- bounds ---------------------------------------------------------------------- */

bool fr_history_nearly_full(uint64_t size, uint64_t used)
{
    return used > size / 4 * 3;
}

uint64_t fr_history_share(uint64_t size, uint64_t used, uint64_t rows, size_t vehicles)
{
    double overhead = rows != 0 ? (double)used / (double)rows : 2;

    if (overhead < 1)
        overhead = 1;
    return (uint64_t)((double)size * 3 / 4 / overhead / (double)(vehicles != 0 ? vehicles : 1));
}

static bool write_is_within_bounds(const struct history_writer *w,
                                   const struct fr_history_vehicle *vehicle)
{
    return !w->full && (!w->nearly_full || vehicle->row.bytes <= w->share);
}

/* ---- chunks ---------------------------------------------------------------------- */

static struct fr_history_key write_chunk_key(const struct history_writer *w)
{
    struct fr_history_key key = {.kind = FR_HISTORY_SERIES,
                                 .field = w->field,
                                 .level = (uint8_t)w->chunk.level,
                                 .ms = w->chunk.start_ms};

    memcpy(key.vin, w->vehicle->vin, sizeof key.vin);
    return key;
}

static int write_close_chunk(struct history_writer *w)
{
    struct fr_history_key key;

    if (!w->chunk_open)
        return 0;
    w->chunk_open = false;
    if (w->chunk.count == 0)
        return 0;
    key = write_chunk_key(w);
    fr_chunk_encode(&w->chunk, &w->row);
    return fr_history_put(&w->txn, w->vehicle, &key, &w->row, NULL);
}

/* Load the chunk of a value, unless it is loaded. A damaged one is replaced. */
static int write_open_chunk(struct history_writer *w, const struct fr_batch_value *value,
                            enum fr_chunk_kind kind, enum fr_history_level level)
{
    int64_t span = fr_chunk_span_ms(kind, level);
    struct fr_history_key key;
    MDB_val data;
    int code;

    if (w->chunk_open && w->vehicle == value->vehicle && w->field == value->field &&
        w->chunk.kind == kind && w->chunk.level == level &&
        w->chunk.start_ms == value->ms - value->ms % span)
        return 0;
    code = write_close_chunk(w);
    if (code != 0)
        return code;
    w->vehicle = value->vehicle;
    w->field = value->field;
    fr_chunk_begin(&w->chunk, kind, level, value->ms);
    key = write_chunk_key(w);
    code = fr_history_get(&w->txn, &key, &data);
    if (code == 0 && !fr_chunk_decode(&w->chunk, data.mv_data, data.mv_size))
        fr_count(FR_COUNT_HISTORY_DAMAGED);
    w->chunk_open = code == 0 || code == MDB_NOTFOUND;
    return w->chunk_open ? 0 : code;
}

static bool write_add_state(struct history_writer *w, const struct fr_batch_value *value)
{
    struct fr_state state = {.ms = value->ms,
                             .kind = value->state.kind,
                             .number = value->state.number,
                             .text_len = value->state.text_len};

    if (state.text_len != 0)
        memcpy(state.text, w->intake->batch.texts.bytes + value->state.text, state.text_len);
    return fr_chunk_add_state(&w->chunk, &state);
}

static bool write_add_raw(struct history_writer *w, const struct fr_batch_value *value)
{
    struct fr_position position = {value->ms, value->position.latitude, value->position.longitude};

    if (value->kind == FR_BATCH_NUMBER)
        return fr_chunk_add_number(&w->chunk, value->ms, value->number);
    if (value->kind == FR_BATCH_POSITION)
        return fr_chunk_add_position(&w->chunk, &position);
    return write_add_state(w, value);
}

/* Write the values of one field to the chunks of one level. Returns 0 or an LMDB code. */
static int write_level(struct history_writer *w, const struct fr_batch_value *values, size_t count,
                       enum fr_history_level level)
{
    int code = 0;

    for (size_t i = 0; i < count && code == 0; i++) {
        const struct fr_batch_value *value = &values[i];
        enum fr_chunk_kind kind = level != FR_LEVEL_RAW              ? FR_CHUNK_SUMMARIES
                                  : value->kind == FR_BATCH_NUMBER   ? FR_CHUNK_NUMBERS
                                  : value->kind == FR_BATCH_POSITION ? FR_CHUNK_POSITIONS
                                                                     : FR_CHUNK_STATES;

        if (value->kind == FR_BATCH_COUNT ||
            (level != FR_LEVEL_RAW && value->kind != FR_BATCH_NUMBER))
            continue;
        code = write_open_chunk(w, value, kind, level);
        if (code != 0)
            break;
        if (level != FR_LEVEL_RAW)
            fr_chunk_summarise(&w->chunk, value->ms, value->number);
        else if (write_add_raw(w, value))
            w->points++;
        else
            w->over_bound++;
    }
    return code != 0 ? code : write_close_chunk(w);
}

/* ---- signals of a day ------------------------------------------------------------ */

static struct fr_history_key write_row_key(const struct fr_history_vehicle *vehicle,
                                           enum fr_history_kind kind, int64_t ms, uint32_t extra)
{
    struct fr_history_key key = {.kind = kind, .ms = ms, .extra = extra};

    memcpy(key.vin, vehicle->vin, sizeof key.vin);
    return key;
}

static int write_day(struct history_writer *w, struct fr_history_vehicle *vehicle, uint32_t day,
                     const struct fr_batch_value *values, size_t count)
{
    struct fr_history_key key = write_row_key(vehicle, FR_HISTORY_DAY, (int64_t)day * FR_DAY_MS, 0);
    MDB_val data;
    int code = fr_history_get(&w->txn, &key, &data);

    w->day.count = 0;
    if (code == 0 && !fr_day_decode(&w->day, data.mv_data, data.mv_size)) {
        w->day.count = 0;
        fr_count(FR_COUNT_HISTORY_DAMAGED);
    }
    if (code != 0 && code != MDB_NOTFOUND)
        return code;
    for (size_t i = 0; i < count; i++)
        if (values[i].day == day)
            fr_day_add(&w->day, values[i].field, 1);
    fr_day_encode(&w->day, &w->row);
    return fr_history_put(&w->txn, vehicle, &key, &w->row, NULL);
}

/* Count the values of one vehicle on the day of each. A batch has few days, so each is one pass. */
static int write_days(struct history_writer *w, const struct fr_batch_value *values, size_t count)
{
    uint32_t day = 0;
    int code = 0;

    for (;;) {
        uint32_t following = UINT32_MAX;

        for (size_t i = 0; i < count; i++)
            if (values[i].day >= day && values[i].day < following)
                following = values[i].day;
        if (following == UINT32_MAX || code != 0)
            return code;
        code = write_day(w, values[0].vehicle, following, values, count);
        day = following + 1;
    }
}

/* ---- values ---------------------------------------------------------------------- */

/* The number of values from `i` on that are of the same vehicle (and field). */
static size_t write_group(const struct fr_history_batch *b, size_t i, bool of_field)
{
    size_t end = i + 1;

    while (end < b->count && b->values[end].vehicle == b->values[i].vehicle &&
           (!of_field || b->values[end].field == b->values[i].field))
        end++;
    return end - i;
}

static int write_vehicle(struct history_writer *w, size_t first, size_t count)
{
    struct fr_history_batch *b = &w->intake->batch;
    int code = write_days(w, &b->values[first], count);

    for (size_t i = first, n; i < first + count && code == 0; i += n) {
        n = write_group(b, i, true);
        if (!write_is_within_bounds(w, b->values[i].vehicle)) {
            w->over_bound += n;
            continue;
        }
        for (int level = 0; level < FR_LEVELS && code == 0; level++)
            code = write_level(w, &b->values[i], n, (enum fr_history_level)level);
    }
    return code;
}

static int write_values(struct history_writer *w)
{
    struct fr_history_batch *b = &w->intake->batch;
    int code = 0;

    fr_history_batch_sort(b);
    for (size_t i = 0, n; i < b->count && code == 0; i += n) {
        n = write_group(b, i, false);
        code = write_vehicle(w, i, n);
    }
    return code;
}

/* ---- other rows ------------------------------------------------------------------ */

/* Delete the oldest row of a kind. */
static int write_delete_oldest(struct history_writer *w, struct fr_history_vehicle *vehicle,
                               enum fr_history_kind kind)
{
    struct fr_history_key key = write_row_key(vehicle, kind, 0, 0), found;
    uint8_t bytes[FR_HISTORY_KEY_MAX];
    MDB_val name = {fr_history_key_write(&key, bytes), bytes}, data;
    MDB_cursor *cursor;
    int code = mdb_cursor_open(w->txn.txn, w->txn.store->file.table, &cursor);

    if (code != 0)
        return code;
    code = mdb_cursor_get(cursor, &name, &data, MDB_SET_RANGE);
    if (code == 0 && (!fr_history_key_parse(name.mv_data, name.mv_size, &found) ||
                      !fr_history_key_same_series(&found, &key)))
        code = MDB_NOTFOUND;
    mdb_cursor_close(cursor);
    if (code == 0)
        code = fr_history_delete(&w->txn, vehicle, &found);
    return code == MDB_NOTFOUND ? 0 : code;
}

/* Write an alert or a connection, of which a vehicle has at most `max`. */
static int write_counted(struct history_writer *w, struct fr_history_vehicle *vehicle,
                         const struct fr_history_key *key, uint32_t *count, uint32_t max)
{
    bool is_new;
    int code = fr_history_put(&w->txn, vehicle, key, &w->row, &is_new);

    if (code != 0 || !is_new)
        return code;
    if (*count < max) {
        ++*count;
        return 0;
    }
    return write_delete_oldest(w, vehicle, key->kind);
}

/* An alert is sent when it starts and again when it ends: the key is the same. */
static int write_alert(struct history_writer *w, const struct fr_batch_row *row)
{
    const struct fr_alert *alert = &row->alert;
    uint64_t hash = fr_hash_bytes(alert->name, alert->name_len, 0);
    struct fr_history_key key = write_row_key(row->vehicle, FR_HISTORY_ALERT, alert->started_ms,
                                              (uint32_t)(hash ^ hash >> 32));

    fr_alert_encode(alert, &w->row);
    return write_counted(w, row->vehicle, &key, &row->vehicle->row.alerts, FR_HISTORY_ALERTS_MAX);
}

static int write_connection(struct history_writer *w, const struct fr_batch_row *row)
{
    const struct fr_connection *c = &row->connection;
    uint64_t hash = fr_hash_bytes(c->network, c->network_len,
                                  (uint64_t)c->connected << 1 | (uint64_t)c->presence);
    struct fr_history_key key =
        write_row_key(row->vehicle, FR_HISTORY_CONNECTION, c->ms, (uint32_t)(hash ^ hash >> 32));

    fr_connection_encode(c, &w->row);
    return write_counted(w, row->vehicle, &key, &row->vehicle->row.connections,
                         FR_HISTORY_CONNECTIONS_MAX);
}

static int write_session(struct history_writer *w, const struct fr_batch_row *row)
{
    struct fr_history_key key =
        write_row_key(row->vehicle, FR_HISTORY_SESSION, row->session.begin_ms, row->session.kind);

    if (row->discard)
        return fr_history_delete(&w->txn, row->vehicle, &key);
    fr_session_encode(&row->session, &w->row);
    return fr_history_put(&w->txn, row->vehicle, &key, &w->row, NULL);
}

static int write_rows(struct history_writer *w)
{
    struct fr_history_batch *b = &w->intake->batch;
    int code = 0;

    for (size_t i = 0; i < b->row_count && code == 0; i++) {
        const struct fr_batch_row *row = &b->rows[i];

        if (!write_is_within_bounds(w, row->vehicle) && !row->discard)
            w->over_bound++;
        else if (row->kind == FR_BATCH_ALERT)
            code = write_alert(w, row);
        else if (row->kind == FR_BATCH_CONNECTION)
            code = write_connection(w, row);
        else
            code = write_session(w, row);
    }
    return code;
}

/* The row has its number of bytes in itself, so its own bytes are not exact. */
static int write_vehicle_rows(struct history_writer *w)
{
    bool end = false;
    int code = 0;

    for (size_t i = 0; !end && code == 0; i++) {
        struct fr_history_vehicle *v = fr_history_vehicles_at(w->intake->vehicles, i, &end);
        struct fr_history_key key;

        if (v == NULL || !v->changed)
            continue;
        key = write_row_key(v, FR_HISTORY_VEHICLE, 0, 0);
        fr_vehicle_row_encode(&v->row, &w->row);
        code = fr_history_put(&w->txn, v, &key, &w->row, NULL);
    }
    return code;
}

/* ---- the whole ------------------------------------------------------------------- */

/* After a commit the rows of vehicles are those on disk. After an abort the sums are restored;
 * `changed` and the sessions stay, because the batch is written again. */
static void write_finish(struct fr_history_vehicles *vehicles, bool committed)
{
    bool end = false;

    for (size_t i = 0; !end; i++) {
        struct fr_history_vehicle *v = fr_history_vehicles_at(vehicles, i, &end);

        if (v != NULL)
            fr_history_vehicle_finish(v, committed);
        if (v != NULL && committed)
            v->changed = false;
    }
}

static int write_all(struct history_writer *w, uint64_t next)
{
    int code = write_values(w);

    if (code == 0)
        code = write_rows(w);
    if (code == 0)
        code = write_vehicle_rows(w);
    return code != 0 ? code : fr_history_put_next(&w->txn, next);
}

int fr_history_write(struct fr_history_store *store, struct fr_history_intake *intake,
                     uint64_t next, struct fr_error *error)
{
    struct history_writer *w = fr_calloc(1, sizeof *w);
    int code;

    w->intake = intake;
    code = fr_history_begin(store, &w->txn);
    if (code == 0) {
        w->nearly_full = fr_history_nearly_full(store->size, w->txn.used);
        w->full = w->txn.used > store->size;
        w->share =
            fr_history_share(store->size, w->txn.used, fr_history_vehicles_bytes(intake->vehicles),
                             fr_history_vehicles_count(intake->vehicles));
        code = write_all(w, next);
        if (code == 0)
            code = fr_history_commit(&w->txn);
        else
            fr_history_abort(&w->txn, code);
        write_finish(intake->vehicles, code == 0);
    }
    if (code == 0) {
        fr_count_add(FR_COUNT_HISTORY_OVER_BOUND, w->over_bound);
        fr_count_add(FR_COUNT_HISTORY_POINTS, w->points);
        fr_history_batch_clear(&intake->batch);
    }
    fr_buffer_free(&w->row);
    free(w);
    return code == 0 ? 0 : fr_unsynced_failed(&store->file, error, "write the file", code);
}
