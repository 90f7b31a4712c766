#include "ha_websocket/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define UPDATES_MOST 100 /* states in one command */
#define TRIES_MOST 3     /* of a flight whose entities Home Assistant does not know */
#define REGISTER_AT_A_TIME 8
#define REGISTER_AGAIN_MS 5000 /* after a registration that failed, or is not seen */

struct device {
    const struct device_house *house;
    struct fr_ha_vehicle *vehicle;
    enum device_state state;
    struct remembered remembered;
    struct registration *asking;
    bool name_tracker; /* newly registered: its tracker gets our name */
    bool naming;
    int64_t registered_ms; /* monotonic; when it was last asked for or done */
    char tracker[160];
    struct fr_shown shown;
    struct fr_delivery **pending, **riding;
    size_t pending_count, pending_room, riding_count, riding_room;
    size_t commands;
    unsigned tries;
    bool flying, unknown_entities, gone, keep_it;
    bool queued;
    int64_t settle_ms; /* 0, or when all is told once more */
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const char *name_of(const struct device *device)
{
    return device->vehicle->name;
}

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

void device_join(struct device *device, struct fr_delivery *d)
{
    if (!add(&device->pending, &device->pending_count, &device->pending_room, d))
        device->house->host->done(device->house->sink, d, FR_RETRY);
}

static void answer(const struct device *device, struct fr_delivery **list, size_t *count,
                   enum fr_outcome outcome)
{
    size_t n = *count;

    *count = 0;
    for (size_t i = 0; i < n; i++)
        device->house->host->done(device->house->sink, list[i], outcome);
}

/* ---- remembering ----------------------------------------------------------------- */

static void remember(struct device *device)
{
    if (!device->keep_it)
        return;
    device->keep_it = false;
    if (remembered_save(&device->remembered, device->house->folder, device->vehicle->vin) != 0)
        device->house->host->log(device->house->sink, FR_LOG_ERROR,
                                 "%s/%s.json cannot be written: %s; after a restart %s is "
                                 "registered with Home Assistant again",
                                 device->house->folder, device->vehicle->vin, strerror(errno),
                                 name_of(device));
}

static void forget_registration(struct device *device)
{
    free(device->remembered.webhook);
    device->remembered.webhook = NULL;
    json_object_clear(device->remembered.sensors);
    device->keep_it = true;
}

/* Everything is to be told again. */
static void tell_all(struct device *device)
{
    for (struct fr_entity_state *s = device->vehicle->states; s != NULL; s = s->next)
        s->todo |= FR_TODO_ANNOUNCE | FR_TODO_TELL;
}

/* ---- registration ---------------------------------------------------------------- */

static void be_unknown(struct device *device, int64_t look_again_ms)
{
    device->state = DEVICE_UNKNOWN;
    device->house->look_again(device->house->ctx, look_again_ms);
}

static void is_registered(void *ctx, const char *webhook, int status, const char *why)
{
    struct device *device = ctx;
    const struct device_house *house = device->house;

    device->asking = NULL;
    --*house->registering;
    device->registered_ms = now_ms();
    if (webhook == NULL) {
        house->host->health(
            house->sink, FR_HEALTH_DEGRADED, "%s cannot be registered with Home Assistant: %s%s",
            name_of(device), why,
            status == 404 ? " (its configuration.yaml needs `default_config:` or `mobile_app:`)"
                          : "");
        be_unknown(device, REGISTER_AGAIN_MS);
        return;
    }
    house->host->log(house->sink, FR_LOG_NOTICE, "%s is registered with Home Assistant",
                     name_of(device));
    house->host->health(house->sink, FR_HEALTH_UP, "connected to Home Assistant %s",
                        session_version(house->session));
    forget_registration(device);
    free(device->remembered.device_name);
    device->remembered.device_name = strdup(name_of(device));
    device->remembered.webhook = strdup(webhook);
    device->name_tracker = true;
    device->gone = false;
    remember(device);
    be_unknown(device, 0);
}

static void register_device(struct device *device)
{
    const struct device_house *house = device->house;
    size_t *asked = house->registering;
    const struct fr_ha_vehicle *v = device->vehicle;
    const char *model = fr_vehicle_model(v->vin);
    json_t *body =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:{}}", "device_id", v->vin,
                  "app_id", "fleetroute", "app_name", "fleetroute", "app_version", PACKAGE_VERSION,
                  "device_name", v->name, "manufacturer", "Tesla", "model",
                  model[0] != '\0' ? model : "Vehicle", "os_name", "Fleet Telemetry", "os_version",
                  v->version[0] != '\0' ? v->version : "1", "supports_encryption", 0, "app_data");

    if (*asked >= REGISTER_AT_A_TIME) {
        json_decref(body);
        be_unknown(device, 200);
        return;
    }
    device->registered_ms = now_ms();
    device->asking = registration_ask(house->peer, house->host->event_base(house->sink),
                                      session_address(house->session),
                                      session_token(house->session), body, is_registered, device);
    if (device->asking == NULL) {
        be_unknown(device, REGISTER_AGAIN_MS);
        return;
    }
    device->state = DEVICE_REGISTERING;
    ++*asked;
}

/* ---- the tracker's name ---------------------------------------------------------- */

static void is_named(void *ctx, const json_t *result, const char *error)
{
    struct device *device = ctx;

    (void)result;
    device->naming = false;
    if (error != NULL)
        device->house->host->log(device->house->sink, FR_LOG_WARNING,
                                 "%s cannot be renamed (%s): is the token an administrator's?",
                                 device->tracker, error);
    be_unknown(device, 0);
}

/* Home Assistant names the tracker after the vehicle alone; it gets `_location` behind that, once:
 * a name that the user gives it later stays. */
static bool name_tracker(struct device *device, const char *entity_id)
{
    char slug[FR_ENTITY_ID_SIZE], id[160];

    fr_entity_slug(name_of(device), slug, sizeof slug);
    snprintf(id, sizeof id, "device_tracker.%s_location", slug);
    if (!device->name_tracker || strcmp(entity_id, id) == 0) {
        device->name_tracker = false;
        return false;
    }
    device->name_tracker = false;
    device->naming =
        session_send(device->house->session,
                     json_pack("{s:s, s:s, s:s}", "type", "config/entity_registry/update",
                               "entity_id", entity_id, "new_entity_id", id),
                     is_named, device);
    return device->naming;
}

/* ---- finding out ----------------------------------------------------------------- */

static void is_missing(struct device *device)
{
    if (device->remembered.webhook == NULL || device->gone) {
        register_device(device);
        return;
    }
    /* One that was just registered may take its time to appear. */
    if (device->registered_ms != 0 && now_ms() - device->registered_ms < REGISTER_AGAIN_MS) {
        be_unknown(device, 500);
        return;
    }
    device->house->host->log(device->house->sink, FR_LOG_NOTICE,
                             "%s is no device of Home Assistant any more; it is registered again",
                             name_of(device));
    forget_registration(device);
    register_device(device);
}

static void become_ready(struct device *device, const struct device_findings *f)
{
    device->state = DEVICE_READY;
    device->gone = false;
    device->shown = (struct fr_shown){
        .known = f->has_place, .latitude = f->latitude, .longitude = f->longitude};
    tell_all(device);
    device->house->landed(device->house->ctx, device);
}

void device_find(struct device *device, const struct device_findings *f)
{
    if (device->state == DEVICE_REGISTERING || device->state == DEVICE_READY || device->naming)
        return;
    if (!f->registered) {
        is_missing(device);
        return;
    }
    snprintf(device->tracker, sizeof device->tracker, "%s", f->entity_id);
    if (device->remembered.webhook == NULL) { /* it knows the vehicle, we do not know the way */
        if (device->registered_ms == 0 || now_ms() - device->registered_ms > REGISTER_AGAIN_MS)
            register_device(device);
        else
            be_unknown(device, 1000);
    } else if (f->disabled) {
        if (device->state != DEVICE_DISABLED)
            device->house->host->log(device->house->sink, FR_LOG_WARNING,
                                     "%s is disabled in Home Assistant: nothing is sent for it",
                                     name_of(device));
        device->state = DEVICE_DISABLED;
        device->house->landed(device->house->ctx, device);
        device->house->look_again(device->house->ctx, 30000);
    } else if (!f->has_state)
        be_unknown(device, 250); /* Home Assistant is still starting */
    else if (!name_tracker(device, f->entity_id))
        become_ready(device, f);
}

enum device_state device_state(const struct device *device)
{
    return device->state;
}

const char *device_tracker(const struct device *device)
{
    return device->tracker[0] != '\0' ? device->tracker : NULL;
}

/* ---- a flight's answers ---------------------------------------------------------- */

static void land(struct device *device)
{
    device->flying = false;
    if (device->gone) {
        /* Only the registry can tell whether the user deleted the device, or Home Assistant is
         * not ready yet. Deliveries wait for the answer. */
        tell_all(device);
        be_unknown(device, 200);
        return;
    }
    if (device->unknown_entities && ++device->tries < TRIES_MOST) {
        device->unknown_entities = false;
        device->house->landed(device->house->ctx, device);
        return;
    }
    device->tries = 0;
    device->unknown_entities = false;
    remember(device);
    answer(device, device->riding, &device->riding_count, FR_DONE);
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
                                 "Home Assistant refuses a command for %s: %s", name_of(device),
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
                                 "Home Assistant refuses an entity of %s: %s", name_of(device),
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
            device->unknown_entities = true;
            device->keep_it = true;
        } else
            device->house->host->log(device->house->sink, FR_LOG_WARNING,
                                     "Home Assistant refuses the state \"%s\" of %s %s: %s",
                                     s->text != NULL ? s->text : "unknown", name_of(device),
                                     s->name, code);
    }
    json_decref(body);
    one_less(device);
}

/* ---- a flight -------------------------------------------------------------------- */

/* `type` and `data` to the device's webhook; `data` passes over. */
static void command(struct device *device, const char *type, json_t *data,
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
    if (message != NULL && session_send(device->house->session, message, answer_to, device))
        device->commands++;
    else
        device->unknown_entities = true; /* said again in the next flight */
}

static void send_place(struct device *device)
{
    const struct fr_ha_vehicle *v = device->vehicle;
    enum fr_telling telling = fr_shown_telling(&device->shown, &v->position, device->house->gap_ms);
    json_t *place;

    if (!v->position.known || telling == FR_TELL_NOTHING)
        return;
    if (telling == FR_TELL_AS_HEARD)
        command(device, "update_location", json_pack("{s:s}", "location_name", "unknown"),
                place_is_told);
    place = json_pack("{s:[f, f], s:I}", "gps", v->position.latitude, v->position.longitude,
                      "gps_accuracy", (json_int_t)(v->accuracy >= 0 ? v->accuracy + 0.5 : 5));
    if (v->heading >= 0)
        json_object_set_new(place, "course", json_integer((json_int_t)(v->heading + 0.5)));
    if (v->speed_ms >= 0)
        json_object_set_new(place, "speed", json_integer((json_int_t)(v->speed_ms + 0.5)));
    command(device, "update_location", place, place_is_told);
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

    digest_of(d, name_of(device), digest);
    had = json_string_value(json_object_get(device->remembered.sensors, s->id));
    if (had != NULL && strcmp(had, digest) == 0) {
        json_decref(d);
        return;
    }
    json_object_set_new(d, "state", state_of(s));
    json_object_set_new(device->remembered.sensors, s->id, json_string(digest));
    device->keep_it = true;
    /* Home Assistant may restore an older state behind the registration, so all is told again. */
    device->settle_ms = now_ms() + 1000;
    command(device, "register_sensor", d, entity_is_registered);
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

    for (struct fr_entity_state *s = device->vehicle->states; s != NULL; s = s->next) {
        unsigned todo = s->todo;

        if (todo == 0 || s->is_tracker || session_room(device->house->session) < 2)
            continue;
        s->todo = 0;
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
        strcmp(device->remembered.device_name, name_of(device)) == 0)
        return;
    free(device->remembered.device_name);
    device->remembered.device_name = strdup(name_of(device));
    device->keep_it = true;
    command(device, "update_registration",
            json_pack("{s:s, s:s, s:s, s:s, s:s}", "app_version", PACKAGE_VERSION, "device_name",
                      name_of(device), "manufacturer", "Tesla", "model",
                      model[0] != '\0' ? model : "Vehicle", "os_version",
                      device->vehicle->version[0] != '\0' ? device->vehicle->version : "1"),
            place_is_told);
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

bool device_fly(struct device *device)
{
    if (device->flying)
        return true;
    if (device->state == DEVICE_DISABLED) {
        answer(device, device->pending, &device->pending_count, FR_DONE);
        answer(device, device->riding, &device->riding_count, FR_DONE);
        return true;
    }
    if (device->state != DEVICE_READY)
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
    if (device->settle_ms != 0 && now_ms() >= device->settle_ms && device->state == DEVICE_READY) {
        device->settle_ms = 0;
        for (struct fr_entity_state *s = device->vehicle->states; s != NULL; s = s->next)
            if (!s->is_tracker)
                s->todo |= FR_TODO_TELL;
    }
    return has_todo(device) || device->pending_count != 0;
}

static void stop_asking(struct device *device)
{
    if (device->asking == NULL)
        return;
    registration_cancel(device->asking);
    device->asking = NULL;
    --*device->house->registering;
}

void device_lost(struct device *device)
{
    stop_asking(device);
    device->state = DEVICE_UNKNOWN;
    device->flying = device->naming = device->unknown_entities = device->gone = false;
    device->commands = 0;
    device->tries = 0;
    device->shown.ours = false;
    tell_all(device);
    remember(device);
    answer(device, device->riding, &device->riding_count, FR_RETRY);
    answer(device, device->pending, &device->pending_count, FR_RETRY);
}

bool device_queue(struct device *device, bool queued)
{
    bool was = device->queued;

    device->queued = queued;
    return was;
}

/* ---- life ------------------------------------------------------------------------ */

struct device *device_new(const struct device_house *house, struct fr_ha_vehicle *vehicle)
{
    struct device *device = calloc(1, sizeof *device);

    if (device == NULL)
        return NULL;
    device->house = house;
    device->vehicle = vehicle;
    if (remembered_load(&device->remembered, house->folder, vehicle->vin) == 0)
        return device;
    free(device);
    return NULL;
}

void device_free(void *ctx)
{
    struct device *device = ctx;

    stop_asking(device);
    remember(device);
    remembered_clear(&device->remembered);
    free(device->pending);
    free(device->riding);
    free(device);
}
