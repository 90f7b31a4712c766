#include "history/history_rows.h"

#include <string.h>

#include "history/history_key.h"
#include "history/packing.h"
#include "history/session_row.h"

#define FORMAT 1

static bool row_begin(struct fr_unpack *in, const void *bytes, size_t len, char kind)
{
    return fr_unpack_begin(in, bytes, len, kind) && fr_unpack_unsigned(in) == FORMAT;
}

static void row_pack_begin(struct fr_buffer *out, char kind)
{
    fr_pack_begin(out, kind);
    fr_pack_unsigned(out, FORMAT);
}

static int64_t row_unpack_time(struct fr_unpack *in)
{
    uint64_t ms = fr_unpack_unsigned(in);

    if (ms > UINT64_C(1) << 53)
        in->failed = true;
    return in->failed ? 0 : (int64_t)ms;
}

static void row_pack_time(struct fr_buffer *out, int64_t ms)
{
    fr_pack_unsigned(out, ms > 0 ? (uint64_t)ms : 0);
}

/* ---- alerts and connections ------------------------------------------------------ */

void fr_alert_encode(const struct fr_alert *alert, struct fr_buffer *out)
{
    row_pack_begin(out, FR_HISTORY_ALERT);
    row_pack_time(out, alert->started_ms);
    row_pack_time(out, alert->ended_ms);
    fr_pack_unsigned(out, alert->audiences);
    fr_pack_text(out, alert->name, alert->name_len);
    fr_pack_end(out);
}

bool fr_alert_decode(struct fr_alert *alert, const void *bytes, size_t len)
{
    struct fr_unpack in;

    memset(alert, 0, sizeof *alert);
    if (!row_begin(&in, bytes, len, FR_HISTORY_ALERT))
        return false;
    alert->started_ms = row_unpack_time(&in);
    alert->ended_ms = row_unpack_time(&in);
    alert->audiences = (uint32_t)fr_unpack_unsigned(&in);
    alert->name_len = (uint8_t)fr_unpack_text(&in, alert->name, sizeof alert->name);
    return fr_unpack_end(&in);
}

enum { CONNECTION_CONNECTED = 1, CONNECTION_PRESENCE = 2 };

void fr_connection_encode(const struct fr_connection *c, struct fr_buffer *out)
{
    row_pack_begin(out, FR_HISTORY_CONNECTION);
    row_pack_time(out, c->ms);
    fr_pack_unsigned(out, (c->connected ? CONNECTION_CONNECTED : 0U) |
                              (c->presence ? CONNECTION_PRESENCE : 0U));
    fr_pack_text(out, c->network, c->network_len);
    fr_pack_end(out);
}

bool fr_connection_decode(struct fr_connection *c, const void *bytes, size_t len)
{
    struct fr_unpack in;
    uint64_t flags;

    memset(c, 0, sizeof *c);
    if (!row_begin(&in, bytes, len, FR_HISTORY_CONNECTION))
        return false;
    c->ms = row_unpack_time(&in);
    flags = fr_unpack_unsigned(&in);
    c->connected = (flags & CONNECTION_CONNECTED) != 0;
    c->presence = (flags & CONNECTION_PRESENCE) != 0;
    c->network_len = (uint8_t)fr_unpack_text(&in, c->network, sizeof c->network);
    return fr_unpack_end(&in);
}

/* ---- days ------------------------------------------------------------------------ */

void fr_day_add(struct fr_day *day, uint32_t field, uint64_t signals)
{
    size_t i = day->count;

    while (i > 0 && day->fields[i - 1].field > field)
        i--;
    if (i > 0 && day->fields[i - 1].field == field) {
        day->fields[i - 1].signals += signals;
        return;
    }
    if (day->count == FR_DAY_FIELDS_MAX)
        return;
    memmove(&day->fields[i + 1], &day->fields[i], (day->count - i) * sizeof day->fields[0]);
    day->fields[i].field = field;
    day->fields[i].signals = signals;
    day->count++;
}

void fr_day_encode(const struct fr_day *day, struct fr_buffer *out)
{
    uint32_t before = 0;

    row_pack_begin(out, FR_HISTORY_DAY);
    fr_pack_unsigned(out, day->count);
    for (size_t i = 0; i < day->count; before = day->fields[i++].field) {
        fr_pack_unsigned(out, day->fields[i].field - before);
        fr_pack_unsigned(out, day->fields[i].signals);
    }
    fr_pack_end(out);
}

bool fr_day_decode(struct fr_day *day, const void *bytes, size_t len)
{
    struct fr_unpack in;
    uint64_t count, field = 0;

    day->count = 0;
    if (!row_begin(&in, bytes, len, FR_HISTORY_DAY))
        return false;
    count = fr_unpack_unsigned(&in);
    for (size_t i = 0; i < count && i < FR_DAY_FIELDS_MAX && !in.failed; i++) {
        uint64_t distance = fr_unpack_unsigned(&in);

        if ((i != 0 && distance == 0) || distance > UINT32_MAX - field)
            return false;
        field += distance;
        day->fields[i].field = (uint32_t)field;
        day->fields[i].signals = fr_unpack_unsigned(&in);
    }
    if (count > FR_DAY_FIELDS_MAX || !fr_unpack_end(&in))
        return false;
    day->count = count;
    return true;
}

/* ---- vehicles -------------------------------------------------------------------- */

void fr_vehicle_row_encode(const struct fr_vehicle_row *row, struct fr_buffer *out)
{
    row_pack_begin(out, FR_HISTORY_VEHICLE);
    fr_pack_unsigned(out, row->bytes);
    fr_pack_unsigned(out, row->alerts);
    fr_pack_unsigned(out, row->connections);
    row_pack_time(out, row->last_ms);
    fr_session_state_pack(&row->session, out);
    fr_pack_end(out);
}

bool fr_vehicle_row_decode(struct fr_vehicle_row *row, const void *bytes, size_t len)
{
    struct fr_unpack in;

    memset(row, 0, sizeof *row);
    fr_session_reset(&row->session);
    if (!row_begin(&in, bytes, len, FR_HISTORY_VEHICLE))
        return false;
    row->bytes = fr_unpack_unsigned(&in);
    row->alerts = (uint32_t)fr_unpack_unsigned(&in);
    row->connections = (uint32_t)fr_unpack_unsigned(&in);
    row->last_ms = row_unpack_time(&in);
    fr_session_state_unpack(&row->session, &in);
    return fr_unpack_end(&in);
}
