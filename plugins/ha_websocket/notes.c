#include "ha_websocket/notes.h"

#include <stdlib.h>
#include <string.h>

#include "safe_name.h"
#include "utf8.h"

/* Commands that are left to the vehicles' states while records are sent. */
#define NOTES_ROOM_LEFT 64

enum kind { KIND_ALERTS, KIND_ERRORS, KIND_WHOLE };

/* One record, until all that it tells is answered. */
struct note {
    struct note *next, *before;
    struct notes *notes;
    struct fr_delivery *delivery;
    size_t commands; /* without an answer, and one while it is sent */
    bool again;      /* something of it could not be sent */
    bool refused;    /* something of it cannot be said in JSON */

    /* While it is sent: */
    json_t *root;
    enum kind kind;
    size_t place; /* of the next alert or error */
};

struct notes {
    struct fr_sink *sink;
    const struct fr_host *host;
    struct session *session;
    struct note *first, *last; /* in the order in which they came */
    struct note *sending;      /* the first that is not sent as a whole; NULL: none */
    bool going, warned;
};

/* ---- answers --------------------------------------------------------------------- */

static void note_unlink(struct note *note)
{
    struct notes *notes = note->notes;

    if (notes->sending == note)
        notes->sending = note->next;
    if (note->before != NULL)
        note->before->next = note->next;
    else
        notes->first = note->next;
    if (note->next != NULL)
        note->next->before = note->before;
    else
        notes->last = note->before;
    json_decref(note->root);
    free(note);
}

static void finish(struct note *note, enum fr_outcome outcome)
{
    struct notes *notes = note->notes;
    struct fr_delivery *d = note->delivery;

    note_unlink(note);
    if (outcome == FR_REFUSED)
        notes->host->fail(
            notes->sink, d, outcome,
            "a %s record is no JSON that Home Assistant could be sent; give its route "
            "`format: json`",
            d->record_type);
    else
        notes->host->done(notes->sink, d, outcome);
}

static void one_less(struct note *note)
{
    if (--note->commands == 0)
        finish(note, note->again ? FR_RETRY : note->refused ? FR_REFUSED : FR_DONE);
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
    if (json == NULL)
        note->refused = true;
    else if (session_send(note->notes->session, json, is_told, note))
        note->commands++;
    else
        note->again = true;
}

/* A text of which it is not known whether it is UTF-8. */
static json_t *json_text(const char *text)
{
    struct fr_text_buffer valid = {0};
    json_t *json;

    fr_utf8_append(&valid, text, strlen(text));
    json = json_string(fr_text_buffer_string(&valid));
    fr_text_buffer_free(&valid);
    return json;
}

static void fire(struct note *note, const char *usual, json_t *data)
{
    const struct fr_delivery *d = note->delivery;
    bool named = d->name != NULL && strcmp(d->name, "notification") != 0;

    json_object_set_new(data, "vin", json_text(d->vin));
    if (d->vehicle_name != NULL)
        json_object_set_new(data, "vehicle", json_text(d->vehicle_name));
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
    json_t *vehicle = json_text(d->vehicle_name != NULL ? d->vehicle_name : d->vin);
    struct fr_text_buffer vin = {0};
    json_t *data;

    fr_safe_name(&vin, d->vin);
    data = json_pack("{s:o}", "notification_id",
                     json_sprintf("fleetroute_%s_%s", fr_text_buffer_string(&vin), what));
    fr_text_buffer_free(&vin);

    if (!ended) {
        json_object_set_new(data, "title",
                            json_sprintf("%s: %s", json_string_value(vehicle), what));
        json_object_set_new(data, "message", json_string(text));
    }
    json_decref(vehicle);
    command(note, json_pack("{s:s, s:s, s:s, s:o}", "type", "call_service", "domain",
                            "persistent_notification", "service", ended ? "dismiss" : "create",
                            "service_data", data));
}

static void tell_alert(struct note *note, const json_t *alert)
{
    const char *name = json_string_value(json_object_get(alert, "name"));
    const char *started = json_string_value(json_object_get(alert, "startedAt"));
    const char *ended = json_string_value(json_object_get(alert, "endedAt"));
    struct fr_text_buffer text = {0};

    if (name == NULL)
        return;
    fire(note, "fleetroute_alert", json_deep_copy(alert));
    if (!wants_notification(note->delivery) || !is_for_customer(alert))
        return;
    fr_text_buffer_printf(&text, "%s, since %s", name, started != NULL ? started : "now");
    notify(note, name, fr_text_buffer_string(&text), ended != NULL);
    fr_text_buffer_free(&text);
}

static void tell_error(struct note *note, const json_t *error)
{
    const char *name = json_string_value(json_object_get(error, "name"));
    const char *body = json_string_value(json_object_get(error, "body"));

    if (name == NULL)
        return;
    fire(note, "fleetroute_error", json_deep_copy(error));
    if (wants_notification(note->delivery))
        notify(note, name, body != NULL ? body : name, false);
}

static void tell_whole(struct note *note)
{
    struct fr_text_buffer usual = {0};

    fr_text_buffer_add(&usual, "fleetroute_");
    fr_safe_name(&usual, note->delivery->record_type);
    fire(note, fr_text_buffer_string(&usual), json_incref(note->root));
    fr_text_buffer_free(&usual);
}

/* ---- one step after the other ---------------------------------------------------- */

static bool note_begin(struct note *note)
{
    const struct fr_delivery *d = note->delivery;

    if (d->format == FR_FORMAT_JSON)
        note->root = json_loadb((const char *)d->bytes, d->len, 0, NULL);
    note->kind = strcmp(d->record_type, "alerts") == 0   ? KIND_ALERTS
                 : strcmp(d->record_type, "errors") == 0 ? KIND_ERRORS
                                                         : KIND_WHOLE;
    note->refused = note->root == NULL;
    return note->root != NULL;
}

/* Send the next alert or error, or the whole record. True: that was all. */
static bool note_step(struct note *note)
{
    const json_t *list;

    if (note->root == NULL && !note_begin(note))
        return true;
    if (note->kind == KIND_WHOLE) {
        tell_whole(note);
        return true;
    }
    list = json_object_get(note->root, note->kind == KIND_ALERTS ? "alerts" : "errors");
    if (note->place >= json_array_size(list))
        return true;
    if (note->kind == KIND_ALERTS)
        tell_alert(note, json_array_get(list, note->place++));
    else
        tell_error(note, json_array_get(list, note->place++));
    return note->again || note->place >= json_array_size(list);
}

void notes_go(struct notes *notes)
{
    if (notes->going)
        return;
    notes->going = true;
    while (notes->sending != NULL && session_room(notes->session) > NOTES_ROOM_LEFT) {
        struct note *note = notes->sending;

        if (!note_step(note))
            continue;
        notes->sending = note->next;
        json_decref(note->root);
        note->root = NULL;
        one_less(note);
    }
    notes->going = false;
}

void notes_send(struct notes *notes, struct session *session, struct fr_delivery *d)
{
    struct note *note = calloc(1, sizeof *note);

    if (note == NULL) {
        notes->host->done(notes->sink, d, FR_RETRY);
        return;
    }
    *note = (struct note){.before = notes->last, .notes = notes, .delivery = d, .commands = 1};
    if (notes->last != NULL)
        notes->last->next = note;
    else
        notes->first = note;
    notes->last = note;
    notes->session = session;
    if (notes->sending == NULL)
        notes->sending = note;
    notes_go(notes);
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
    while (notes != NULL && notes->first != NULL)
        note_unlink(notes->first);
    free(notes);
}
