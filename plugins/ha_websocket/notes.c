#include "ha_websocket/notes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One record, until all that it tells is answered. */
struct note {
    struct note *next, *before;
    struct notes *notes;
    struct session *session;
    struct fr_delivery *delivery;
    unsigned commands;
    bool again; /* something of it could not be sent */
};

struct notes {
    struct fr_sink *sink;
    const struct fr_host *host;
    struct note *first;
    bool warned;
};

/* ---- answers --------------------------------------------------------------------- */

static void finish(struct note *note, enum fr_outcome outcome)
{
    struct notes *notes = note->notes;
    struct fr_delivery *d = note->delivery;

    if (note->before != NULL)
        note->before->next = note->next;
    else
        notes->first = note->next;
    if (note->next != NULL)
        note->next->before = note->before;
    free(note);
    notes->host->done(notes->sink, d, outcome);
}

static void one_less(struct note *note)
{
    if (--note->commands == 0)
        finish(note, note->again ? FR_RETRY : FR_DONE);
}

static void is_told(void *ctx, const json_t *result, const char *error)
{
    struct note *note = ctx;
    struct notes *notes = note->notes;

    (void)result;
    if (error != NULL && !notes->warned) {
        notes->warned = true;
        notes->host->log(
            notes->sink, FR_LOG_WARNING,
            "Home Assistant takes no events and notifications from us: %s%s", error,
            strcmp(error, "unauthorized") == 0 ? " (make the token as an administrator)" : "");
    }
    one_less(note);
}

/* ---- what is said ---------------------------------------------------------------- */

static void command(struct note *note, json_t *json)
{
    if (json != NULL && session_send(note->session, json, is_told, note))
        note->commands++;
    else
        note->again = true;
}

static void fire(struct note *note, const char *usual, json_t *data)
{
    const struct fr_delivery *d = note->delivery;
    bool named = d->name != NULL && strcmp(d->name, "notification") != 0;

    json_object_set_new(data, "vin", json_string(d->vin));
    if (d->vehicle_name != NULL)
        json_object_set_new(data, "vehicle", json_string(d->vehicle_name));
    if (d->marks != 0) /* told again: an automation should not act twice */
        json_object_set_new(data, "repeated", json_true());
    command(note, json_pack("{s:s, s:s, s:o}", "type", "fire_event", "event_type",
                            named ? d->name : usual, "event_data", data));
}

static bool wants_notification(const struct fr_delivery *d)
{
    return d->name != NULL && strcmp(d->name, "notification") == 0;
}

static bool is_for_customer(const json_t *alert)
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

/* Show, or take away what has ended. One alert of one vehicle is one notification. */
static void notify(struct note *note, const char *what, const char *text, bool ended)
{
    const struct fr_delivery *d = note->delivery;
    const char *vehicle = d->vehicle_name != NULL ? d->vehicle_name : d->vin;
    json_t *data =
        json_pack("{s:o}", "notification_id", json_sprintf("fleetroute_%s_%s", d->vin, what));

    if (!ended) {
        json_object_set_new(data, "title", json_sprintf("%s: %s", vehicle, what));
        json_object_set_new(data, "message", json_string(text));
    }
    command(note, json_pack("{s:s, s:s, s:s, s:o}", "type", "call_service", "domain",
                            "persistent_notification", "service", ended ? "dismiss" : "create",
                            "service_data", data));
}

static void tell_alerts(struct note *note, const json_t *alerts)
{
    size_t i;
    json_t *alert;

    json_array_foreach(alerts, i, alert)
    {
        const char *name = json_string_value(json_object_get(alert, "name"));
        const char *started = json_string_value(json_object_get(alert, "startedAt"));
        const char *ended = json_string_value(json_object_get(alert, "endedAt"));
        char text[160];

        if (name == NULL)
            continue;
        fire(note, "fleetroute_alert", json_deep_copy(alert));
        snprintf(text, sizeof text, "%s, since %.32s", name, started != NULL ? started : "now");
        if (wants_notification(note->delivery) && is_for_customer(alert))
            notify(note, name, text, ended != NULL);
    }
}

static void tell_errors(struct note *note, const json_t *errors)
{
    size_t i;
    json_t *error;

    json_array_foreach(errors, i, error)
    {
        const char *name = json_string_value(json_object_get(error, "name"));
        const char *body = json_string_value(json_object_get(error, "body"));

        if (name == NULL)
            continue;
        fire(note, "fleetroute_error", json_deep_copy(error));
        if (wants_notification(note->delivery))
            notify(note, name, body != NULL ? body : name, false);
    }
}

void notes_send(struct notes *notes, struct session *session, struct fr_delivery *d)
{
    struct note *note = calloc(1, sizeof *note);
    json_t *root =
        d->format == FR_FORMAT_JSON ? json_loadb((const char *)d->bytes, d->len, 0, NULL) : NULL;
    char usual[160];

    if (note == NULL || root == NULL) {
        notes->host->done(notes->sink, d, root == NULL ? FR_REFUSED : FR_RETRY);
        free(note);
        json_decref(root);
        return;
    }
    *note = (struct note){
        .next = notes->first, .notes = notes, .session = session, .delivery = d, .commands = 1};
    if (notes->first != NULL)
        notes->first->before = note;
    notes->first = note;
    snprintf(usual, sizeof usual, "fleetroute_%s", d->record_type);
    if (strcmp(d->record_type, "alerts") == 0)
        tell_alerts(note, json_object_get(root, "alerts"));
    else if (strcmp(d->record_type, "errors") == 0)
        tell_errors(note, json_object_get(root, "errors"));
    else
        fire(note, usual, json_incref(root));
    json_decref(root);
    one_less(note);
}

/* ---- life ------------------------------------------------------------------------ */

void notes_lost(struct notes *notes)
{
    while (notes->first != NULL)
        finish(notes->first, FR_RETRY);
}

struct notes *notes_new(struct fr_sink *sink, const struct fr_host *host)
{
    struct notes *notes = calloc(1, sizeof *notes);

    if (notes != NULL) {
        notes->sink = sink;
        notes->host = host;
    }
    return notes;
}

void notes_free(struct notes *notes)
{
    while (notes != NULL && notes->first != NULL) {
        struct note *next = notes->first->next;

        free(notes->first);
        notes->first = next;
    }
    free(notes);
}
