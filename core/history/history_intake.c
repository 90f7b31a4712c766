#include "history/history_intake.h"

#include <stdlib.h>
#include <string.h>

#include "history/history_field.h"
#include "record/field_catalogue.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/memory.h"
#include "vehicle_alert.pb-c.h"
#include "vehicle_connectivity.pb-c.h"

#define ALERTS_MAX 64 /* of one record that are read */

/* ---- set-up ---------------------------------------------------------------------- */

void fr_history_intake_init(struct fr_history_intake *in, const struct fr_history_settings *s)
{
    memset(in, 0, sizeof *in);
    in->vehicles = fr_history_vehicles_new(s->vehicles);
    in->keep_ms = s->keep_ms;
    in->max_vehicles = s->vehicles;
    if (s->field_count == 0)
        return;
    in->chosen = fr_calloc(fr_field_count(), sizeof *in->chosen);
    for (size_t i = 0; i < s->field_count; i++)
        if (s->fields[i] < fr_field_count())
            in->chosen[s->fields[i]] = true;
}

void fr_history_intake_free(struct fr_history_intake *in)
{
    fr_history_batch_free(&in->batch);
    fr_history_vehicles_free(in->vehicles);
    free(in->chosen);
}

bool fr_history_wants(enum fr_record_type type)
{
    return type == FR_RECORD_V || type == FR_RECORD_ALERTS || type == FR_RECORD_CONNECTIVITY ||
           type == FR_RECORD_PRESENCE;
}

/* ---- sessions -------------------------------------------------------------------- */

struct intake_vehicle {
    struct fr_history_intake *intake;
    struct fr_history_vehicle *vehicle;
};

static void intake_add_session(void *ctx, const struct fr_session *session, bool keep)
{
    const struct intake_vehicle *of = ctx;
    struct fr_batch_row row = {
        .vehicle = of->vehicle, .kind = FR_BATCH_SESSION, .discard = !keep, .session = *session};

    of->vehicle->changed = true;
    fr_history_batch_add_row(&of->intake->batch, &row);
}

void fr_history_take_sessions(struct fr_history_intake *in, int64_t now_ms)
{
    bool end = false;

    for (size_t i = 0; !end; i++) {
        struct fr_history_vehicle *v = fr_history_vehicles_at(in->vehicles, i, &end);
        struct intake_vehicle of = {in, v};

        if (v == NULL)
            continue;
        fr_session_tick(&v->row.session, now_ms, intake_add_session, &of);
        if (v->changed && v->row.session.drive.open)
            intake_add_session(&of, &v->row.session.drive, true);
        if (v->changed && v->row.session.charge.open)
            intake_add_session(&of, &v->row.session.charge, true);
    }
}

/* ---- values ---------------------------------------------------------------------- */

/* Whether the time is in the range that is kept at `now`. */
static bool intake_is_in_range(int64_t ms, int64_t now_ms, int64_t keep_ms)
{
    return ms > 0 && ms <= now_ms + FR_CLOCK_AHEAD_MS && ms >= now_ms - keep_ms;
}

static void intake_take_value(const struct intake_vehicle *of, const struct fr_datum *datum,
                              const struct fr_record *record, int64_t ms, uint32_t day)
{
    bool known = fr_field_by_number(datum->field) != NULL;
    struct fr_history_intake *in = of->intake;
    struct fr_batch_value value = {.vehicle = of->vehicle,
                                   .field = known ? datum->field : FR_DAY_OTHER,
                                   .day = day,
                                   .kind = FR_BATCH_COUNT,
                                   .ms = ms};
    const char *text = NULL;

    if (ms != 0 && fr_session_wants(datum->field))
        fr_session_feed(&of->vehicle->row.session, datum->field, &datum->value, ms,
                        record->received_ms, intake_add_session, (void *)(uintptr_t)of);
    if (ms != 0 && known && (in->chosen == NULL || in->chosen[datum->field]))
        fr_history_field_value(datum, &value, &text);
    fr_history_batch_add(&in->batch, &value, text);
}

static void intake_take_values(const struct intake_vehicle *of, struct fr_record *record,
                               int64_t now_ms)
{
    int64_t ms = fr_record_time_ns(record) / 1000000, received_ms = record->received_ms;
    const struct fr_data *data = fr_record_data(record);

    if (data == NULL)
        return; /* out of memory */
    if (!intake_is_in_range(ms, now_ms, of->intake->keep_ms)) {
        fr_count_add(FR_COUNT_HISTORY_OUT_OF_RANGE, data->count);
        ms = 0;
    }
    if (!intake_is_in_range(received_ms, now_ms, FR_HISTORY_LONG_MS))
        received_ms = now_ms;
    for (size_t i = 0; i < data->count; i++)
        intake_take_value(of, &data->datum[i], record, ms, (uint32_t)(received_ms / FR_DAY_MS));
}

/* ---- alerts and connections ------------------------------------------------------ */

/* A time in ms; 0: absent, or not in the range that is kept. */
static int64_t intake_time(const Google__Protobuf__Timestamp *time, int64_t now_ms)
{
    int64_t ms;

    if (time == NULL || time->seconds <= 0 || time->seconds > INT64_MAX / 2000)
        return 0;
    ms = time->seconds * 1000 + time->nanos / 1000000;
    return intake_is_in_range(ms, now_ms, FR_HISTORY_LONG_MS) ? ms : 0;
}

/* Copy at most size - 1 bytes. Returns the length. */
static uint8_t intake_copy(char *to, size_t size, const char *from)
{
    size_t len = strnlen(from, size - 1);

    memcpy(to, from, len);
    to[len] = '\0';
    return (uint8_t)len;
}

static void intake_take_alert(const struct intake_vehicle *of,
                              const Telemetry__VehicleAlerts__VehicleAlert *alert,
                              int64_t record_ms, int64_t now_ms)
{
    struct fr_batch_row row = {.vehicle = of->vehicle, .kind = FR_BATCH_ALERT};

    row.alert.started_ms = intake_time(alert->started_at, now_ms);
    row.alert.ended_ms = intake_time(alert->ended_at, now_ms);
    if (row.alert.started_ms == 0)
        row.alert.started_ms = row.alert.ended_ms != 0 ? row.alert.ended_ms : record_ms;
    row.alert.name_len = intake_copy(row.alert.name, sizeof row.alert.name, alert->name);
    for (size_t i = 0; i < alert->n_audiences && i < 32; i++)
        if ((unsigned)alert->audiences[i] < 32)
            row.alert.audiences |= UINT32_C(1) << (unsigned)alert->audiences[i];
    fr_history_batch_add_row(&of->intake->batch, &row);
}

static void intake_take_alerts(const struct intake_vehicle *of, const struct fr_record *record,
                               int64_t now_ms)
{
    Telemetry__VehicleAlerts__VehicleAlerts *alerts =
        telemetry__vehicle_alerts__vehicle_alerts__unpack(NULL, record->payload_len,
                                                          record->payload);
    int64_t ms = fr_record_time_ns(record) / 1000000;

    if (alerts == NULL)
        return;
    if (!intake_is_in_range(ms, now_ms, FR_HISTORY_LONG_MS))
        ms = now_ms;
    for (size_t i = 0; i < alerts->n_alerts && i < ALERTS_MAX; i++)
        intake_take_alert(of, alerts->alerts[i], ms, now_ms);
    if (alerts->n_alerts > ALERTS_MAX)
        fr_count_add(FR_COUNT_HISTORY_OVER_BOUND, alerts->n_alerts - ALERTS_MAX);
    telemetry__vehicle_alerts__vehicle_alerts__free_unpacked(alerts, NULL);
}

static void intake_take_connection(const struct intake_vehicle *of, const struct fr_record *record,
                                   int64_t now_ms)
{
    Telemetry__VehicleConnectivity__VehicleConnectivity *message =
        telemetry__vehicle_connectivity__vehicle_connectivity__unpack(NULL, record->payload_len,
                                                                      record->payload);
    struct fr_batch_row row = {.vehicle = of->vehicle, .kind = FR_BATCH_CONNECTION};

    if (message == NULL)
        return;
    row.connection.ms = fr_record_time_ns(record) / 1000000;
    if (!intake_is_in_range(row.connection.ms, now_ms, FR_HISTORY_LONG_MS))
        row.connection.ms = now_ms;
    row.connection.connected =
        message->status == TELEMETRY__VEHICLE_CONNECTIVITY__CONNECTIVITY_EVENT__CONNECTED;
    row.connection.presence = record->type == FR_RECORD_PRESENCE;
    row.connection.network_len = intake_copy(row.connection.network, sizeof row.connection.network,
                                             message->network_interface);
    fr_history_batch_add_row(&of->intake->batch, &row);
    telemetry__vehicle_connectivity__vehicle_connectivity__free_unpacked(message, NULL);
}

/* ---- records --------------------------------------------------------------------- */

static struct fr_history_vehicle *intake_vehicle(struct fr_history_intake *in, const char *vin)
{
    static struct fr_log_limit limit;
    struct fr_history_vehicle *v = fr_history_vehicles_find(in->vehicles, vin);

    if (v == NULL)
        v = fr_history_vehicles_add(in->vehicles, vin);
    if (v != NULL)
        return v;
    fr_count(FR_COUNT_HISTORY_VEHICLES_OVER);
    fr_log_limited(&limit, FR_LOG_NOTICE,
                   "history: %zu vehicles have one, further vehicles have none; raise `history: "
                   "vehicles:` and `size:`, or remove `history:`",
                   in->max_vehicles);
    return NULL;
}

void fr_history_take(struct fr_history_intake *in, struct fr_record *record, int64_t now_ms)
{
    struct intake_vehicle of = {in, intake_vehicle(in, record->vin)};

    if (of.vehicle == NULL)
        return;
    of.vehicle->changed = true;
    if (record->received_ms > of.vehicle->row.last_ms && record->received_ms <= now_ms)
        of.vehicle->row.last_ms = record->received_ms;
    if (record->type == FR_RECORD_V)
        intake_take_values(&of, record, now_ms);
    else if (record->type == FR_RECORD_ALERTS)
        intake_take_alerts(&of, record, now_ms);
    else
        intake_take_connection(&of, record, now_ms);
}
