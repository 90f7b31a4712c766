/* The rows of the history's file, which may be damaged, and the parameters of its requests. The first
 * byte selects the parser; the checksum is made valid, because the fuzzer cannot find valid ones. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "history/chunk.h"
#include "history/history_key.h"
#include "history/history_request.h"
#include "history/history_rows.h"
#include "history/packing.h"
#include "history/session_row.h"
#include "history/track.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#define START (INT64_C(1767225600000) / 43200000 * 43200000) /* the begin of each kind of chunk */

static struct fr_buffer row, again;

/* A chunk that is valid is equal after it was written and read again. */
static void check_chunk(enum fr_chunk_kind kind, enum fr_history_level level)
{
    static struct fr_chunk chunk, other;

    fr_chunk_begin(&chunk, kind, level, START);
    if (!fr_chunk_decode(&chunk, row.bytes, row.len))
        return;
    fr_chunk_encode(&chunk, &again);
    fr_chunk_begin(&other, kind, level, START);
    if (!fr_chunk_decode(&other, again.bytes, again.len) || other.count != chunk.count)
        abort();
    if (kind == FR_CHUNK_NUMBERS)
        fr_chunk_add_number(&chunk, START + 1000, 1);
    else if (kind == FR_CHUNK_SUMMARIES)
        fr_chunk_summarise(&chunk, START + 1000, 1);
    else if (kind == FR_CHUNK_POSITIONS) {
        struct fr_position p = {START + 1000, 1, 1};

        fr_chunk_add_position(&chunk, &p);
        fr_track_reduce(chunk.positions, chunk.count, 4, 50);
        return;
    } else {
        struct fr_state s = {.ms = START + 1000, .kind = FR_STATE_NUMBER, .number = 3};

        fr_chunk_add_state(&chunk, &s);
    }
    fr_chunk_encode(&chunk, &again);
    if (!fr_chunk_decode(&other, again.bytes, again.len))
        abort();
}

static void check_session(void)
{
    struct fr_session session, other;

    if (!fr_session_decode(&session, row.bytes, row.len))
        return;
    fr_session_distance(&session);
    fr_session_energy(&session);
    fr_session_charger_energy(&session);
    fr_session_encode(&session, &again);
    if (!fr_session_decode(&other, again.bytes, again.len))
        abort();
}

static void ignore_session(void *ctx, const struct fr_session *session, bool keep)
{
    (void)ctx, (void)session, (void)keep;
}

static void check_vehicle(void)
{
    struct fr_vehicle_row vehicle, other;
    struct fr_value value = {.kind = FR_VALUE_REAL, .real = 5};

    if (!fr_vehicle_row_decode(&vehicle, row.bytes, row.len))
        return;
    fr_vehicle_row_encode(&vehicle, &again);
    if (!fr_vehicle_row_decode(&other, again.bytes, again.len))
        abort();
    fr_session_tick(&vehicle.session, START, ignore_session, NULL);
    fr_session_feed(&vehicle.session, FR_SESSION_SOC, &value, START, START, ignore_session, NULL);
}

static void check_rows(uint8_t kind)
{
    static struct fr_day day, other_day;
    struct fr_alert alert;
    struct fr_connection connection;

    if (kind == FR_HISTORY_ALERT && fr_alert_decode(&alert, row.bytes, row.len)) {
        fr_alert_encode(&alert, &again);
        if (!fr_alert_decode(&alert, again.bytes, again.len))
            abort();
    }
    if (kind == FR_HISTORY_CONNECTION && fr_connection_decode(&connection, row.bytes, row.len)) {
        fr_connection_encode(&connection, &again);
        if (!fr_connection_decode(&connection, again.bytes, again.len))
            abort();
    }
    if (kind == FR_HISTORY_DAY && fr_day_decode(&day, row.bytes, row.len)) {
        fr_day_add(&day, 8, 1);
        fr_day_encode(&day, &again);
        if (!fr_day_decode(&other_day, again.bytes, again.len) || other_day.count != day.count)
            abort();
    }
    if (kind == FR_HISTORY_SESSION)
        check_session();
    if (kind == FR_HISTORY_VEHICLE)
        check_vehicle();
}

static void check_request(const uint8_t *bytes, size_t len, enum fr_history_what what)
{
    char *query = malloc(len + 1);
    struct fr_history_request request;
    struct fr_error error;

    if (query == NULL)
        return;
    memcpy(query, bytes, len);
    query[len] = '\0';
    if (fr_history_request_parse(&request, what, "5YJ3E1EA7KF000001", query, START, &error) == 0 &&
        (request.from_ms < 0 || request.to_ms <= request.from_ms || request.points < 1 ||
         request.points > FR_HISTORY_POINTS_MAX || request.field_count > FR_HISTORY_FIELDS_MAX))
        abort();
    free(query);
}

static void check_key(const uint8_t *bytes, size_t len)
{
    struct fr_history_key key;
    uint8_t other[FR_HISTORY_KEY_MAX];

    if (fr_history_key_parse(bytes, len, &key) &&
        (fr_history_key_write(&key, other) != len || memcmp(other, bytes, len) != 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    uint8_t kind;

    if (len < 1)
        return 0;
    kind = *bytes++;
    len--;
    fr_pack_begin(&row, (char)kind);
    fr_buffer_append(&row, bytes, len);
    fr_pack_end(&row);
    if (kind == 'n')
        check_chunk(FR_CHUNK_NUMBERS, FR_LEVEL_RAW);
    else if (kind == 's') {
        check_chunk(FR_CHUNK_SUMMARIES, FR_LEVEL_MINUTE);
        check_chunk(FR_CHUNK_SUMMARIES, FR_LEVEL_TEN_MINUTES);
    } else if (kind == 'p')
        check_chunk(FR_CHUNK_POSITIONS, FR_LEVEL_RAW);
    else if (kind == 't')
        check_chunk(FR_CHUNK_STATES, FR_LEVEL_RAW);
    else if (kind == 'q')
        check_request(bytes, len, FR_HISTORY_FIELDS);
    else if (kind == 'Q')
        check_request(bytes, len, FR_HISTORY_TRACK);
    else if (kind == 'k')
        check_key(bytes, len);
    else
        check_rows(kind);
    return 0;
}
