/* A vehicle's flights: what has changed, in as few commands as possible, and their answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock_ms.h"

#include "ha_websocket/device_state.h"

#define UPDATES_MOST 100 /* states in one command */
#define TRIES_MOST 3     /* of a flight whose entities Home Assistant does not know */

/* In fr_entity_state.note: Home Assistant said not_registered to the newest state. */
#define NOTE_UNREGISTERED 1u

/* ---- deliveries ------------------------------------------------------------------ */

static bool add(struct fr_delivery ***list, size_t *count, size_t *room, struct fr_delivery *d)
{
    if (*count == *room) {
        size_t more = *room != 0 ? *room * 2 : 16;
        struct fr_delivery **bigger = realloc(*list, more * sizeof(struct fr_delivery *));

        if (bigger == NULL)
            return false;
        *list = bigger;
        *room = more;
    }
    (*list)[(*count)++] = d;
    return true;
}

/* Whether a delivery has a part in an entity. */
static bool flight_concerns(const struct fr_delivery *d, const struct fr_entity_state *s)
{
    const char *field = d->kind == FR_DELIVERY_FIELD ? d->field_name : "presence";

    return fr_words_find(&s->entity->from, field) >= 0;
}

static const struct fr_entity_state *flight_unregistered(const struct device *device,
                                                         const struct fr_delivery *d)
{
    const struct fr_entity_state *s = device->vehicle->states;

    while (s != NULL && !((s->note & NOTE_UNREGISTERED) && flight_concerns(d, s)))
        s = s->next;
    return s;
}

/* Home Assistant does not know some entities although they were registered again and again. Their
 * deliveries fail: the sink tries them later, up to its limit. All others are done. */
static void flight_answer_unregistered(struct device *device)
{
    const struct fr_host *host = device->house->host;
    size_t n = device->riding_count;

    for (struct fr_entity_state *s = device->vehicle->states; s != NULL; s = s->next)
        if (s->note & NOTE_UNREGISTERED)
            s->todo = 0; /* until a delivery comes that concerns it */
    device->riding_count = 0;
    for (size_t i = 0; i < n; i++) {
        const struct fr_entity_state *s = flight_unregistered(device, device->riding[i]);

        if (s == NULL)
            host->done(device->house->sink, device->riding[i], FR_DONE);
        else
            host->fail(device->house->sink, device->riding[i], FR_FAILED,
                       "Home Assistant does not know %s of %s after %d registrations; look for "
                       "mobile_app in its log, and restart it or delete the device there",
                       s->id, device_name(device), TRIES_MOST);
    }
}

void device_join(struct device *device, struct fr_delivery *d)
{
    for (struct fr_entity_state *s = device->vehicle->states; s != NULL; s = s->next)
        if ((s->note & NOTE_UNREGISTERED) && flight_concerns(d, s))
            s->todo |= FR_TODO_ANNOUNCE | FR_TODO_TELL;
    if (!add(&device->pending, &device->pending_count, &device->pending_room, d))
        device->house->host->done(device->house->sink, d, FR_RETRY);
}

void device_answer(const struct device *device, struct fr_delivery **list, size_t *count,
                   enum fr_outcome outcome)
{
    size_t n = *count;

    *count = 0;
    for (size_t i = 0; i < n; i++)
        device->house->host->done(device->house->sink, list[i], outcome);
}

/* ---- a flight's answers ---------------------------------------------------------- */

static void land(struct device *device)
{
    device->flying = false;
    device->dead_flights = device->gone ? device->dead_flights + 1 : 0;
    if (device->gone) {
        /* Only the registry can tell whether the user deleted the device, or Home Assistant is
         * not ready yet. Deliveries wait for the answer. */
        device->unsent = false;
        device_tell_all(device);
        device_be_unknown(device, 200);
        return;
    }
    if (device->unsent) { /* deliveries stay; device_tick() begins the next batch */
        device->unsent = false;
        device_tell_all(device);
        return;
    }
    device->tries += device->unknown_entities;
    if ((device->cut_short || device->unknown_entities) && device->tries < TRIES_MOST) {
        device->unknown_entities = false; /* the next flight has the rest, before an answer */
        device->house->landed(device->house->ctx, device);
        return;
    }
    device->tries = 0;
    device_remember(device);
    flight_answer_unregistered(device);
    device->unknown_entities = false;
    device->house->landed(device->house->ctx, device);
}

static void one_less(struct device *device)
{
    if (--device->commands == 0 && device->flying)
        land(device);
}

/* The answer of a webhook: its body, which is text with JSON in it. NULL: Home Assistant does not
 * know the webhook, or not yet. */
static json_t *body_of(struct device *device, const json_t *result, const char *error)
{
    const char *text = json_string_value(json_object_get(result, "body"));
    json_t *body = text != NULL ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

    if (error != NULL && strcmp(error, "unknown_command") != 0)
        device->house->host->log(device->house->sink, FR_LOG_WARNING,
                                 "Home Assistant refuses a command for %s: %s", device_name(device),
                                 error);
    if (body == NULL || json_is_null(body))
        device->gone = true;
    return body;
}

static struct fr_entity_state *state_named(const struct device *device, const char *id)
{
    struct fr_entity_state *s = device->vehicle->states;

    while (s != NULL && strcmp(s->id, id) != 0)
        s = s->next;
    return s;
}

static void place_is_told(void *ctx, const json_t *result, const char *error)
{
    json_decref(body_of(ctx, result, error));
    one_less(ctx);
}

static void entity_is_registered(void *ctx, const json_t *result, const char *error)
{
    struct device *device = ctx;
    json_t *body = body_of(device, result, error);

    if (body != NULL && !json_is_true(json_object_get(body, "success")))
        device->house->host->log(device->house->sink, FR_LOG_WARNING,
                                 "Home Assistant refuses an entity of %s: %s", device_name(device),
                                 json_string_value(json_object_get(result, "body")));
    json_decref(body);
    one_less(device);
}

static void states_are_told(void *ctx, const json_t *result, const char *error)
{
    struct device *device = ctx;
    json_t *body = body_of(device, result, error), *each;
    const char *id, *code;

    json_object_foreach(body, id, each)
    {
        struct fr_entity_state *s = state_named(device, id);

        code = json_string_value(json_object_get(json_object_get(each, "error"), "code"));
        if (code == NULL || s == NULL)
            continue;
        if (strcmp(code, "not_registered") == 0) { /* the user has deleted it */
            json_object_del(device->remembered.sensors, id);
            s->todo |= FR_TODO_ANNOUNCE | FR_TODO_TELL;
            s->note |= NOTE_UNREGISTERED;
            device->unknown_entities = true;
            device->keep_it = true;
        } else
            device->house->host->log(device->house->sink, FR_LOG_WARNING,
                                     "Home Assistant refuses the state \"%s\" of %s %s: %s",
                                     s->text != NULL ? s->text : "unknown", device_name(device),
                                     s->name, code);
    }
    json_decref(body);
    one_less(device);
}

/* ---- a flight -------------------------------------------------------------------- */

/* Send `type` and `data` to the device's webhook; takes ownership of `data`. False: it was not sent,
 * and `unsent` is set. */
static bool command(struct device *device, const char *type, json_t *data,
                    session_answer *answer_to)
{
    json_t *body = json_pack("{s:s, s:o}", "type", type, "data", data);
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    json_t *message =
        json_pack("{s:s, s:s, s:s, s:s, s:{s:s}, s:s}", "type", "webhook/handle", "webhook_id",
                  device->remembered.webhook, "method", "POST", "query", "", "headers",
                  "Content-Type", "application/json", "body", text != NULL ? text : "{}");

    free(text);
    json_decref(body);
    if (message == NULL || !session_send(device->house->session, message, answer_to, device)) {
        device->unsent = true;
        return false;
    }
    device->commands++;
    return true;
}

static void send_place(struct device *device)
{
    const struct fr_ha_vehicle *v = device->vehicle;
    enum fr_telling telling = fr_shown_telling(&device->shown, &v->position, device->house->gap_ms);
    json_t *place;

    if (!v->position.known || telling == FR_TELL_NOTHING)
        return;
    if (telling == FR_TELL_AS_HEARD &&
        !command(device, "update_location", json_pack("{s:s}", "location_name", "unknown"),
                 place_is_told))
        return;
    place = json_pack("{s:[f, f], s:I}", "gps", v->position.latitude, v->position.longitude,
                      "gps_accuracy", (json_int_t)(v->accuracy >= 0 ? v->accuracy + 0.5 : 5));
    if (v->heading >= 0)
        json_object_set_new(place, "course", json_integer((json_int_t)(v->heading + 0.5)));
    if (v->speed_ms >= 0)
        json_object_set_new(place, "speed", json_integer((json_int_t)(v->speed_ms + 0.5)));
    if (command(device, "update_location", place, place_is_told))
        fr_shown_told(&device->shown, &v->position);
}

static json_t *state_of(const struct fr_entity_state *s)
{
    if (s->text == NULL)
        return json_null();
    if (s->entity->platform == FR_PLATFORM_BINARY_SENSOR)
        return json_boolean(strcmp(s->text, "on") == 0);
    if (s->is_number)
        return strpbrk(s->text, ".eE") != NULL ? json_real(strtod(s->text, NULL))
                                               : json_integer(strtoll(s->text, NULL, 10));
    return json_string(s->text);
}

static json_t *text_or_null(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

/* What an entity is, without its state. The app API has one tracker a device, so another place
 * is a sensor; and it cannot list the states of a class enum. */
static json_t *description_of(const struct fr_entity_state *s)
{
    const struct fr_entity *e = s->entity;
    bool sensor = e->platform != FR_PLATFORM_BINARY_SENSOR;
    bool enumerates = e->device_class != NULL && strcmp(e->device_class, "enum") == 0;
    json_t *d = json_pack("{s:s, s:s, s:s, s:o}", "type",
                          fr_platform_name(sensor ? FR_PLATFORM_SENSOR : e->platform), "unique_id",
                          s->id, "name", s->name, "icon", text_or_null(e->icon));

    if (e->device_class != NULL && !enumerates && fr_class_has_unit(e->device_class, s->unit))
        json_object_set_new(d, "device_class", json_string(e->device_class));
    if (sensor && s->unit != NULL)
        json_object_set_new(d, "unit_of_measurement", json_string(s->unit));
    if (sensor && e->state_class != NULL)
        json_object_set_new(d, "state_class", json_string(e->state_class));
    if (e->diagnostic)
        json_object_set_new(d, "entity_category", json_string("diagnostic"));
    return d;
}

/* FNV-1a: to see that something has changed, against nobody. */
static void digest_of(const json_t *json, const char *device_name, char digest[17])
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    unsigned long long h = 14695981039346656037ULL;

    for (const char *c = text; c != NULL && *c != '\0'; c++)
        h = (h ^ (unsigned char)*c) * 1099511628211ULL;
    for (const char *c = device_name; *c != '\0'; c++)
        h = (h ^ (unsigned char)*c) * 1099511628211ULL;
    snprintf(digest, 17, "%016llx", h);
    free(text);
}

/* Register an entity unless Home Assistant has it as it is. */
static void announce(struct device *device, const struct fr_entity_state *s)
{
    json_t *d = description_of(s);
    char digest[17];
    const char *had;

    digest_of(d, device_name(device), digest);
    had = json_string_value(json_object_get(device->remembered.sensors, s->id));
    if (had != NULL && strcmp(had, digest) == 0) {
        json_decref(d);
        return;
    }
    json_object_set_new(d, "state", state_of(s));
    json_object_set_new(device->remembered.sensors, s->id, json_string(digest));
    device->keep_it = true;
    /* Home Assistant may restore an older state behind the registration, so all is told again. */
    device->settle_ms = fr_clock_monotonic_ms() + 1000;
    if (!command(device, "register_sensor", d, entity_is_registered))
        json_object_del(device->remembered.sensors, s->id);
}

static json_t *update_of(const struct fr_entity_state *s)
{
    const char *type =
        s->entity->platform == FR_PLATFORM_BINARY_SENSOR ? "binary_sensor" : "sensor";

    return json_pack("{s:s, s:s, s:o, s:o}", "type", type, "unique_id", s->id, "state", state_of(s),
                     "icon", text_or_null(s->entity->icon));
}

static void send_states(struct device *device)
{
    json_t *updates = json_array();

    device->cut_short = false;
    for (struct fr_entity_state *s = device->vehicle->states; s != NULL; s = s->next) {
        unsigned todo = s->todo;

        if (todo == 0 || s->is_tracker)
            continue;
        if (session_room(device->house->session) < 2) {
            device->cut_short = true;
            break;
        }
        s->todo = 0;
        s->note &= ~(uint64_t)NOTE_UNREGISTERED;
        if (todo & FR_TODO_ANNOUNCE)
            announce(device, s);
        json_array_append_new(updates, update_of(s));
        if (json_array_size(updates) == UPDATES_MOST) {
            command(device, "update_sensor_states", updates, states_are_told);
            updates = json_array();
        }
    }
    if (json_array_size(updates) != 0)
        command(device, "update_sensor_states", updates, states_are_told);
    else
        json_decref(updates);
}

static void follow_name(struct device *device)
{
    const char *model = fr_vehicle_model(device->vehicle->vin);

    if (device->remembered.device_name != NULL &&
        strcmp(device->remembered.device_name, device_name(device)) == 0)
        return;
    free(device->remembered.device_name);
    device->remembered.device_name = strdup(device_name(device));
    device->keep_it = true;
    if (command(device, "update_registration",
                json_pack("{s:s, s:s, s:s, s:s, s:s}", "app_version", PACKAGE_VERSION,
                          "device_name", device_name(device), "manufacturer", "Tesla", "model",
                          model[0] != '\0' ? model : "Vehicle", "os_version",
                          device->vehicle->version[0] != '\0' ? device->vehicle->version : "1"),
                place_is_told))
        return;
    free(device->remembered.device_name); /* send it again with the next batch */
    device->remembered.device_name = NULL;
}

/* What waits is on board now. */
static bool board(struct device *device)
{
    for (size_t i = 0; i < device->pending_count; i++)
        if (!add(&device->riding, &device->riding_count, &device->riding_room,
                 device->pending[i])) {
            memmove(device->pending, device->pending + i,
                    (device->pending_count - i) * sizeof(struct fr_delivery *));
            device->pending_count -= i;
            return false;
        }
    device->pending_count = 0;
    return true;
}

static bool has_todo(const struct device *device)
{
    for (const struct fr_entity_state *s = device->vehicle->states; s != NULL; s = s->next)
        if (s->todo != 0)
            return true;
    return false;
}

static bool device_has_work(const struct device *device)
{
    return has_todo(device) || device->pending_count != 0 || device->riding_count != 0;
}

bool device_fly(struct device *device)
{
    if (device->flying)
        return true;
    if (device->state == DEVICE_DISABLED) {
        device_answer(device, device->pending, &device->pending_count, FR_DONE);
        device_answer(device, device->riding, &device->riding_count, FR_DONE);
        return true;
    }
    if (device->state != DEVICE_READY)
        return true;
    if (!device_has_work(device))
        return true;
    if (session_room(device->house->session) < 8)
        return false;
    board(device);
    device->flying = true;
    device->commands = 1; /* this call's own */
    for (struct fr_entity_state *s = device->vehicle->states; s != NULL; s = s->next)
        if (s->is_tracker && s->todo != 0) {
            s->todo = 0;
            send_place(device);
        }
    follow_name(device);
    send_states(device);
    one_less(device);
    return true;
}

bool device_tick(struct device *device)
{
    if (device->settle_ms != 0 && fr_clock_monotonic_ms() >= device->settle_ms &&
        device->state == DEVICE_READY) {
        device->settle_ms = 0;
        for (struct fr_entity_state *s = device->vehicle->states; s != NULL; s = s->next)
            if (!s->is_tracker && !(s->note & NOTE_UNREGISTERED))
                s->todo |= FR_TODO_TELL;
    }
    return device_has_work(device);
}
