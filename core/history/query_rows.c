#include "history/query_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/vehicle_cost.h"
#include "history/query_base.h"
#include "history/session_row.h"
#include "record/field_catalogue.h"
#include "util/counters.h"
#include "util/json_text.h"
#include "util/memory.h"

/* Call each() for the newest rows of a kind in the range, newest first, at most `points`. each()
 * returns false for a damaged row. */
static int query_each_row(struct fr_history_query *q, enum fr_history_kind kind,
                          bool (*each)(struct fr_history_query *q, const char *separator))
{
    struct fr_history_key key = {.kind = kind, .ms = q->request->to_ms};
    bool found, any = false;

    memcpy(key.vin, q->request->vin, sizeof key.vin);
    found = fr_history_read_before(&q->reading, &key);
    for (size_t n = 0; found && n < q->request->points; n++) {
        if (!fr_history_key_same_series(&q->reading.key, &key) ||
            q->reading.key.ms < q->request->from_ms)
            break;
        if (fr_query_check(q) != 0)
            return -1;
        if (each(q, any ? "," : ""))
            any = true;
        else
            fr_count(FR_COUNT_HISTORY_DAMAGED);
        key = q->reading.key;
        found = fr_history_read_before(&q->reading, &key);
    }
    return fr_query_check(q);
}

/* ---- sessions -------------------------------------------------------------------- */

static void query_put_place(struct fr_buffer *out, const char *name, const struct fr_session *s,
                            int i)
{
    fr_buffer_printf(out, ",\"%s\":", name);
    if (isnan(s->latitude[i]) || isnan(s->longitude[i])) {
        fr_buffer_text(out, "null");
        return;
    }
    fr_buffer_text(out, "{\"lat\":");
    fr_query_put_degrees(out, s->latitude[i]);
    fr_buffer_text(out, ",\"lon\":");
    fr_query_put_degrees(out, s->longitude[i]);
    fr_buffer_byte(out, '}');
}

/* Counters are stored as doubles; three decimals are a metre or a watt hour. */
static double query_rounded(double number)
{
    return round(number * 1000) / 1000;
}

void fr_query_put_session(struct fr_buffer *out, const struct fr_session *s)
{
    bool drive = s->kind == FR_SESSION_DRIVE;

    fr_buffer_printf(out, "\"kind\":\"%s\",\"open\":%s,\"begin\":%lld,\"end\":%lld",
                     drive ? "drive" : "charge", s->open ? "true" : "false", (long long)s->begin_ms,
                     (long long)s->end_ms);
    fr_query_put_number(out, "energy_kwh", query_rounded(fr_session_energy(s)));
    fr_query_put_number(out, "soc_begin", query_rounded(s->soc[0]));
    fr_query_put_number(out, "soc_end", query_rounded(s->soc[1]));
    if (drive) {
        fr_query_put_number(out, "distance_mi", query_rounded(fr_session_distance(s)));
        fr_query_put_number(out, "max_speed_mph", query_rounded(s->max_speed));
        query_put_place(out, "from", s, 0);
        query_put_place(out, "to", s, 1);
    } else {
        fr_query_put_number(out, "charger_energy_kwh", query_rounded(fr_session_charger_energy(s)));
        fr_query_put_number(out, "max_power_kw", query_rounded(s->max_power));
        fr_buffer_printf(out, ",\"dc\":%s", s->dc ? "true" : "false");
        query_put_place(out, "at", s, 1);
    }
}

static bool query_put_session_row(struct fr_history_query *q, const char *separator)
{
    struct fr_session session;

    if (!fr_session_decode(&session, q->reading.data.mv_data, q->reading.data.mv_size))
        return false;
    fr_buffer_printf(q->out, "%s{", separator);
    fr_query_put_session(q->out, &session);
    fr_buffer_byte(q->out, '}');
    return true;
}

int fr_query_sessions(struct fr_history_query *q)
{
    int status;

    fr_buffer_text(q->out, ",\"sessions\":[");
    status = query_each_row(q, FR_HISTORY_SESSION, query_put_session_row);
    fr_buffer_byte(q->out, ']');
    return status;
}

bool fr_query_last_session(struct fr_history_query *q, enum fr_session_kind kind,
                           struct fr_session *session)
{
    struct fr_history_key key = {.kind = FR_HISTORY_SESSION, .ms = q->request->to_ms};

    memcpy(key.vin, q->request->vin, sizeof key.vin);
    while (fr_query_check(q) == 0 && fr_history_read_before(&q->reading, &key) &&
           fr_history_key_same_series(&q->reading.key, &key)) {
        if (q->reading.key.extra == (uint32_t)kind &&
            fr_session_decode(session, q->reading.data.mv_data, q->reading.data.mv_size) &&
            session->kind == kind)
            return true;
        key = q->reading.key;
    }
    return false;
}

/* ---- alerts and connections ------------------------------------------------------ */

static void query_put_time_or_null(struct fr_buffer *out, const char *name, int64_t ms)
{
    if (ms != 0)
        fr_buffer_printf(out, ",\"%s\":%lld", name, (long long)ms);
    else
        fr_buffer_printf(out, ",\"%s\":null", name);
}

static bool query_put_alert(struct fr_history_query *q, const char *separator)
{
    static const char *const audiences[] = {"Unknown", "Customer", "Service", "ServiceFix"};
    struct fr_buffer *out = q->out;
    struct fr_alert alert;
    bool any = false;

    if (!fr_alert_decode(&alert, q->reading.data.mv_data, q->reading.data.mv_size))
        return false;
    fr_buffer_printf(out, "%s{\"name\":", separator);
    fr_json_string(out, alert.name, alert.name_len);
    query_put_time_or_null(out, "begin", alert.started_ms);
    query_put_time_or_null(out, "end", alert.ended_ms);
    fr_buffer_text(out, ",\"audiences\":[");
    for (unsigned i = 0; i < sizeof audiences / sizeof *audiences; i++)
        if (alert.audiences & UINT32_C(1) << i) {
            fr_buffer_printf(out, "%s\"%s\"", any ? "," : "", audiences[i]);
            any = true;
        }
    fr_buffer_text(out, "]}");
    return true;
}

int fr_query_alerts(struct fr_history_query *q)
{
    int status;

    fr_buffer_text(q->out, ",\"alerts\":[");
    status = query_each_row(q, FR_HISTORY_ALERT, query_put_alert);
    fr_buffer_byte(q->out, ']');
    return status;
}

static bool query_put_connection(struct fr_history_query *q, const char *separator)
{
    struct fr_connection c;

    if (!fr_connection_decode(&c, q->reading.data.mv_data, q->reading.data.mv_size))
        return false;
    fr_buffer_printf(
        q->out, "%s{\"at\":%lld,\"connected\":%s,\"of\":\"%s\",\"network\":", separator,
        (long long)c.ms, c.connected ? "true" : "false", c.presence ? "vehicle" : "connection");
    fr_json_string(q->out, c.network, c.network_len);
    fr_buffer_byte(q->out, '}');
    return true;
}

int fr_query_connections(struct fr_history_query *q)
{
    int status;

    fr_buffer_text(q->out, ",\"connections\":[");
    status = query_each_row(q, FR_HISTORY_CONNECTION, query_put_connection);
    fr_buffer_byte(q->out, ']');
    return status;
}

/* ---- signals --------------------------------------------------------------------- */

struct query_signals {
    struct fr_day day, sum;
    struct fr_buffer days;
    uint64_t signals;
};

/* Add the signals of a day to the sums, and append the day. */
static void query_add_day(struct query_signals *s, int64_t day_ms)
{
    uint64_t signals = 0;

    for (size_t i = 0; i < s->day.count; i++) {
        fr_day_add(&s->sum, s->day.fields[i].field, s->day.fields[i].signals);
        signals += s->day.fields[i].signals;
    }
    s->signals += signals;
    fr_buffer_text(&s->days, s->days.len == 0 ? "{\"day\":\"" : ",{\"day\":\"");
    fr_rfc3339_ms(&s->days, day_ms);
    if (s->days.len > strlen("T00:00:00.000Z"))
        s->days.len -= strlen("T00:00:00.000Z");
    fr_buffer_printf(&s->days, "\",\"signals\":%llu}", (unsigned long long)signals);
}

static int query_read_days(struct fr_history_query *q, struct query_signals *s)
{
    struct fr_history_key key = {.kind = FR_HISTORY_DAY};
    bool found;

    memcpy(key.vin, q->request->vin, sizeof key.vin);
    key.ms = q->request->from_ms - q->request->from_ms % FR_DAY_MS;
    for (found = fr_history_read_from(&q->reading, &key);
         found && fr_history_key_same_series(&q->reading.key, &key) &&
         q->reading.key.ms < q->request->to_ms;
         found = fr_history_read_following(&q->reading)) {
        if (fr_query_check(q) != 0)
            return -1;
        if (fr_day_decode(&s->day, q->reading.data.mv_data, q->reading.data.mv_size))
            query_add_day(s, q->reading.key.ms);
        else
            fr_count(FR_COUNT_HISTORY_DAMAGED);
    }
    return fr_query_check(q);
}

static void query_put_field_signals(struct fr_buffer *out, uint32_t number, uint64_t signals)
{
    char buffer[FR_FIELD_NAME_SIZE];
    const char *name = fr_field_name(number, buffer);

    fr_buffer_text(out, "{\"field\":");
    if (number == FR_DAY_OTHER)
        fr_buffer_text(out, "null");
    else
        fr_json_string(out, name, strlen(name));
    fr_buffer_printf(out, ",\"signals\":%llu", (unsigned long long)signals);
    fr_query_put_number(out, "usd", fr_vehicle_cost_usd((double)signals));
    fr_buffer_byte(out, '}');
}

int fr_query_signals(struct fr_history_query *q)
{
    struct query_signals *s = fr_calloc(1, sizeof *s);
    int status = query_read_days(q, s);

    fr_buffer_printf(q->out, ",\"signals\":%llu", (unsigned long long)s->signals);
    fr_query_put_number(q->out, "usd", fr_vehicle_cost_usd((double)s->signals));
    fr_buffer_printf(q->out, ",\"signals_per_usd\":%d,\"days\":[", FR_SIGNALS_PER_USD);
    fr_buffer_append(q->out, s->days.bytes, s->days.len);
    fr_buffer_text(q->out, "],\"fields\":[");
    for (size_t i = 0; i < s->sum.count; i++) {
        if (i != 0)
            fr_buffer_byte(q->out, ',');
        query_put_field_signals(q->out, s->sum.fields[i].field, s->sum.fields[i].signals);
    }
    fr_buffer_byte(q->out, ']');
    fr_buffer_free(&s->days);
    free(s);
    return status;
}
