#include "ha_websocket/ha_events.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "clock_ms.h"
#include "home_assistant/alert.h"
#include "safe_name.h"
#include "utf8.h"

/* Commands that states of vehicles may have in flight while records are sent. */
#define CAPACITY_RESERVED 64

enum record_kind { KIND_ALERTS, KIND_ERRORS, KIND_OTHER };

/* One record, until all its commands are answered. */
struct event_record {
    struct event_record *next, *previous;
    struct ha_events *events;
    struct fr_delivery *delivery;
    size_t commands; /* without an answer; plus one until the record is sent */
    bool unsent;     /* a command could not be sent: FR_RETRY */
    bool refused;    /* the record cannot be converted to JSON: FR_REFUSED */

    /* Until the record is sent: */
    json_t *root;
    enum record_kind kind;
    size_t next_index; /* of the next alert or error */
};

struct ha_events {
    struct fr_sink *sink;
    const struct fr_host *host;
    struct session *session;
    struct fr_alert_log *log;
    int64_t alert_age_ms;
    struct event_record *first, *last; /* in the order of arrival */
    struct event_record *sending;      /* the first that is not completely sent; NULL: none */
    bool sending_now;                  /* ha_events_send() is on the stack */
    bool warned;
};

/* ---- answers --------------------------------------------------------------------- */

static void events_unlink(struct event_record *record)
{
    struct ha_events *events = record->events;

    if (events->sending == record)
        events->sending = record->next;
    if (record->previous != NULL)
        record->previous->next = record->next;
    else
        events->first = record->next;
    if (record->next != NULL)
        record->next->previous = record->previous;
    else
        events->last = record->previous;
    json_decref(record->root);
    free(record);
}

static void events_complete(struct event_record *record, enum fr_outcome outcome)
{
    struct ha_events *events = record->events;
    struct fr_delivery *d = record->delivery;

    events_unlink(record);
    if (outcome == FR_REFUSED)
        events->host->fail(
            events->sink, d, outcome,
            "a %s record cannot be converted to JSON for Home Assistant; set in its route "
            "`format: json`",
            d->record_type);
    else
        events->host->done(events->sink, d, outcome);
}

static void events_command_done(struct event_record *record)
{
    assert(record->commands != 0);
    if (--record->commands == 0)
        events_complete(record, record->unsent ? FR_RETRY : record->refused ? FR_REFUSED : FR_DONE);
}

static void events_on_answer(void *ctx, const json_t *result, const char *error)
{
    struct event_record *record = ctx;
    struct ha_events *events = record->events;

    (void)result;
    if (error != NULL && !events->warned) {
        events->warned = true;
        events->host->log(
            events->sink, FR_LOG_WARNING, "Home Assistant refuses events and notifications: %s%s",
            error,
            strcmp(error, "unauthorized") == 0 ? " (create the token as an administrator)" : "");
    }
    events_command_done(record);
}

/* ---- commands -------------------------------------------------------------------- */

static void events_send_command(struct event_record *record, json_t *json)
{
    if (json == NULL)
        record->refused = true;
    else if (session_send(record->events->session, json, events_on_answer, record))
        record->commands++;
    else
        record->unsent = true;
}

/* A JSON string of a text that may not be valid UTF-8. */
static json_t *events_json_text(const char *text)
{
    struct fr_text_buffer valid = {0};
    json_t *json;

    fr_utf8_append(&valid, text, strlen(text));
    json = json_string(fr_text_buffer_string(&valid));
    fr_text_buffer_free(&valid);
    return json;
}

static void events_fire(struct event_record *record, const char *default_type, json_t *data)
{
    const struct fr_delivery *d = record->delivery;
    bool named = d->name != NULL && strcmp(d->name, "notification") != 0;

    json_object_set_new(data, "vin", events_json_text(d->vin));
    if (d->vehicle_name != NULL)
        json_object_set_new(data, "vehicle", events_json_text(d->vehicle_name));
    if (d->flags != 0) /* lets automations ignore resent, late, restored and repeated records */
        json_object_set_new(data, "repeated", json_true());
    events_send_command(record, json_pack("{s:s, s:s, s:o}", "type", "fire_event", "event_type",
                                          named ? d->name : default_type, "event_data", data));
}

static bool events_wants_notification(const struct fr_delivery *d)
{
    return d->name != NULL && strcmp(d->name, "notification") == 0;
}

static bool events_is_for_customer(const json_t *alert)
{
    size_t i;
    json_t *audience;

    json_array_foreach(json_object_get(alert, "audiences"), i, audience)
    {
        const char *name = json_string_value(audience);

        if (name != NULL && strcmp(name, "Customer") == 0)
            return true;
    }
    return false;
}

/* Create or dismiss a persistent notification; there is one for each alert of each vehicle. */
static void events_notify(struct event_record *record, const char *name, const char *text,
                          bool ended)
{
    const struct fr_delivery *d = record->delivery;
    json_t *vehicle = events_json_text(d->vehicle_name != NULL ? d->vehicle_name : d->vin);
    struct fr_text_buffer vin = {0};
    json_t *data;

    fr_safe_name(&vin, d->vin);
    data = json_pack("{s:o}", "notification_id",
                     json_sprintf("fleetroute_%s_%s", fr_text_buffer_string(&vin), name));
    fr_text_buffer_free(&vin);

    if (!ended) {
        json_object_set_new(data, "title",
                            json_sprintf("%s: %s", json_string_value(vehicle), name));
        json_object_set_new(data, "message", json_string(text));
    }
    json_decref(vehicle);
    events_send_command(record, json_pack("{s:s, s:s, s:s, s:o}", "type", "call_service", "domain",
                                          "persistent_notification", "service",
                                          ended ? "dismiss" : "create", "service_data", data));
}

static void events_send_alert(struct event_record *record, const json_t *alert)
{
    struct ha_events *events = record->events;
    const char *started = json_string_value(json_object_get(alert, "startedAt"));
    const char *ended = json_string_value(json_object_get(alert, "endedAt"));
    struct fr_text_buffer text = {0};
    struct fr_alert known;
    json_t *data;

    if (!fr_alert_read(&known, alert, record->delivery, events->log, fr_clock_wall_ms(),
                       events->alert_age_ms))
        return;
    data = json_deep_copy(alert);
    json_object_set_new(data, "name", json_string(known.name));
    json_object_set_new(data, "kind", json_string(known.kind));
    json_object_set_new(data, "live", json_boolean(known.live));
    events_fire(record, "fleetroute_alert", data);
    if (!events_wants_notification(record->delivery) || !events_is_for_customer(alert))
        return;
    fr_text_buffer_printf(&text, "%s, since %s", known.name, started != NULL ? started : "now");
    events_notify(record, known.name, fr_text_buffer_string(&text), ended != NULL);
    fr_text_buffer_free(&text);
}

static void events_send_error(struct event_record *record, const json_t *error)
{
    const char *name = json_string_value(json_object_get(error, "name"));
    const char *body = json_string_value(json_object_get(error, "body"));

    if (name == NULL)
        return;
    events_fire(record, "fleetroute_error", json_deep_copy(error));
    if (events_wants_notification(record->delivery))
        events_notify(record, name, body != NULL ? body : name, false);
}

static void events_send_record(struct event_record *record)
{
    struct fr_text_buffer type = {0};

    fr_text_buffer_add(&type, "fleetroute_");
    fr_safe_name(&type, record->delivery->record_type);
    events_fire(record, fr_text_buffer_string(&type), json_incref(record->root));
    fr_text_buffer_free(&type);
}

/* ---- sending --------------------------------------------------------------------- */

static bool events_begin_record(struct event_record *record)
{
    const struct fr_delivery *d = record->delivery;

    if (d->format == FR_FORMAT_JSON)
        record->root = json_loadb((const char *)d->bytes, d->len, JSON_ALLOW_NUL, NULL);
    record->kind = strcmp(d->record_type, "alerts") == 0   ? KIND_ALERTS
                   : strcmp(d->record_type, "errors") == 0 ? KIND_ERRORS
                                                           : KIND_OTHER;
    record->refused = record->root == NULL;
    return record->root != NULL;
}

/* Send the next alert or error, or the record. Returns true if the record is completely sent. */
static bool events_send_step(struct event_record *record)
{
    const json_t *list;

    if (record->root == NULL && !events_begin_record(record))
        return true;
    if (record->kind == KIND_OTHER) {
        events_send_record(record);
        return true;
    }
    list = json_object_get(record->root, record->kind == KIND_ALERTS ? "alerts" : "errors");
    if (record->next_index >= json_array_size(list))
        return true;
    if (record->kind == KIND_ALERTS)
        events_send_alert(record, json_array_get(list, record->next_index++));
    else
        events_send_error(record, json_array_get(list, record->next_index++));
    return record->unsent || record->next_index >= json_array_size(list);
}

void ha_events_send(struct ha_events *events)
{
    if (events->sending_now)
        return;
    events->sending_now = true;
    while (events->sending != NULL && session_capacity(events->session) > CAPACITY_RESERVED) {
        struct event_record *record = events->sending;

        if (!events_send_step(record))
            continue;
        events->sending = record->next;
        json_decref(record->root);
        record->root = NULL;
        events_command_done(record);
    }
    events->sending_now = false;
}

void ha_events_enqueue(struct ha_events *events, struct session *session, struct fr_delivery *d)
{
    struct event_record *record = calloc(1, sizeof *record);

    if (record == NULL) {
        events->host->done(events->sink, d, FR_RETRY);
        return;
    }
    *record = (struct event_record){
        .previous = events->last, .events = events, .delivery = d, .commands = 1};
    if (events->last != NULL)
        events->last->next = record;
    else
        events->first = record;
    events->last = record;
    events->session = session;
    if (events->sending == NULL)
        events->sending = record;
    ha_events_send(events);
}

/* ---- life ------------------------------------------------------------------------ */

void ha_events_disconnected(struct ha_events *events)
{
    while (events->first != NULL)
        events_complete(events->first, FR_RETRY);
}

struct ha_events *ha_events_new(struct fr_sink *sink, const struct fr_host *host)
{
    struct ha_events *events = calloc(1, sizeof *events);

    if (events == NULL)
        return NULL;
    events->sink = sink;
    events->host = host;
    events->alert_age_ms = host->number(sink, "alert_age");
    events->log = fr_alert_log_new();
    if (events->log != NULL)
        return events;
    free(events);
    return NULL;
}

void ha_events_free(struct ha_events *events)
{
    while (events != NULL && events->first != NULL)
        events_unlink(events->first);
    if (events != NULL)
        fr_alert_log_free(events->log);
    free(events);
}
