#include "ha_websocket/device_batch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "clock_ms.h"
#include "ha_websocket/device_deliveries.h"
#include "ha_websocket/entity_json.h"

#define UPDATES_MAX 100   /* states in one command */
#define CAPACITY_MIN 8    /* commands; less capacity of the session is not worth a batch */
#define REPUBLISH_MS 1000 /* after a registration of an entity */
#define DISABLED_MS 20000 /* the interval at which the states of disabled entities are sent */
#define ENABLED_MS 40000  /* Home Assistant sets up an enabled entity after 30 s */
#define LOOKUP_MS 200     /* after an unknown webhook */
#define ACCURACY_DEFAULT_M 5

/* ---- answers --------------------------------------------------------------------- */

static void batch_complete(struct device *device)
{
    device->batch_active = false;
    device->dead_batches = device->webhook_unknown ? device->dead_batches + 1 : 0;
    if (device->webhook_unknown) {
        /* Either the user has deleted the device, or Home Assistant is still starting: look it up
         * in the registry. Deliveries stay in flight until then. */
        device->unsent = false;
        device_mark_all(device);
        device_lookup(device, LOOKUP_MS);
        return;
    }
    if (device->unsent) { /* deliveries stay in flight; device_tick() begins the next batch */
        device->unsent = false;
        device_mark_all(device);
        return;
    }
    device->attempts += device->unknown_entities;
    if ((device->truncated || device->unknown_entities) && device->attempts < DEVICE_ATTEMPTS_MAX) {
        device->unknown_entities = false; /* the next batch sends the rest */
        device->env->on_writable(device->env->ctx, device);
        return;
    }
    device->attempts = 0;
    device_save(device);
    device_deliveries_complete_batch(device);
    device->unknown_entities = false;
    device->env->on_writable(device->env->ctx, device);
}

static void batch_command_done(struct device *device)
{
    assert(device->open_commands != 0);
    if (--device->open_commands == 0 && device->batch_active)
        batch_complete(device);
}

/* Parse the answer of a webhook: JSON in a text. The caller frees the result. NULL: Home Assistant
 * has no such webhook, or not yet, and webhook_unknown is set. */
static json_t *batch_parse_answer(struct device *device, const json_t *result, const char *error)
{
    const char *text = json_string_value(json_object_get(result, "body"));
    json_t *body = text != NULL ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

    if (error != NULL && strcmp(error, "unknown_command") != 0)
        device->env->host->log(device->env->sink, FR_LOG_WARNING,
                               "Home Assistant refuses a command for %s: %s", device_name(device),
                               error);
    if (body == NULL || json_is_null(body))
        device->webhook_unknown = true;
    return body;
}

static struct fr_entity_state *batch_find_state(const struct device *device, const char *id)
{
    struct fr_entity_state *s = device->vehicle->states;

    while (s != NULL && strcmp(s->id, id) != 0)
        s = s->next;
    return s;
}

static void batch_on_answer(void *ctx, const json_t *result, const char *error)
{
    json_decref(batch_parse_answer(ctx, result, error));
    batch_command_done(ctx);
}

static void batch_on_entity_registered(void *ctx, const json_t *result, const char *error)
{
    struct device *device = ctx;
    json_t *body = batch_parse_answer(device, result, error);

    if (body != NULL && !json_is_true(json_object_get(body, "success")))
        device->env->host->log(device->env->sink, FR_LOG_WARNING,
                               "Home Assistant refuses an entity of %s: %s", device_name(device),
                               json_string_value(json_object_get(result, "body")));
    json_decref(body);
    batch_command_done(device);
}

/* Home Assistant does not report that the user has enabled an entity, and sets it up later. Its state
 * must not stay unknown until the vehicle sends another value. */
static void batch_set_disabled(struct device *device, struct fr_entity_state *s, bool disabled)
{
    if (disabled)
        s->plugin_flags |= DEVICE_ENTITY_DISABLED;
    else if (s->plugin_flags & DEVICE_ENTITY_DISABLED) {
        s->plugin_flags &= ~(uint64_t)DEVICE_ENTITY_DISABLED;
        device->republish_ms = fr_clock_monotonic_ms() + ENABLED_MS;
    }
}

static void batch_on_states_updated(void *ctx, const json_t *result, const char *error)
{
    struct device *device = ctx;
    json_t *body = batch_parse_answer(device, result, error), *each;
    const char *id, *code;

    json_object_foreach(body, id, each)
    {
        struct fr_entity_state *s = batch_find_state(device, id);

        if (s == NULL)
            continue;
        batch_set_disabled(device, s, json_is_true(json_object_get(each, "is_disabled")));
        code = json_string_value(json_object_get(json_object_get(each, "error"), "code"));
        if (code == NULL)
            continue;
        if (strcmp(code, "not_registered") == 0) { /* the user has deleted the entity */
            json_object_del(device->saved.sensors, id);
            s->todo |= FR_TODO_ANNOUNCE | FR_TODO_PUBLISH;
            s->plugin_flags |= DEVICE_ENTITY_UNREGISTERED;
            device->unknown_entities = true;
            device->unsaved = true;
        } else
            device->env->host->log(device->env->sink, FR_LOG_WARNING,
                                   "Home Assistant refuses the state \"%s\" of %s %s: %s",
                                   s->text != NULL ? s->text : "unknown", device_name(device),
                                   s->name, code);
    }
    json_decref(body);
    batch_command_done(device);
}

/* ---- commands -------------------------------------------------------------------- */

/* Send `type` and `data` to the device's webhook; takes ownership of `data`. False: it was not
 * sent, and `unsent` is set. */
static bool batch_send_command(struct device *device, const char *type, json_t *data,
                               session_answer *answer_to)
{
    json_t *body = json_pack("{s:s, s:o}", "type", type, "data", data);
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    json_t *message =
        json_pack("{s:s, s:s, s:s, s:s, s:{s:s}, s:s}", "type", "webhook/handle", "webhook_id",
                  device->saved.webhook, "method", "POST", "query", "", "headers", "Content-Type",
                  "application/json", "body", text != NULL ? text : "{}");

    free(text);
    json_decref(body);
    if (message == NULL || !session_send(device->env->session, message, answer_to, device)) {
        device->unsent = true;
        return false;
    }
    device->open_commands++;
    return true;
}

static void batch_send_position(struct device *device)
{
    const struct fr_ha_vehicle *v = device->vehicle;
    enum fr_publish_mode mode =
        fr_published_mode(&device->published, &v->position, device->env->gap_ms);
    json_t *position;

    if (!v->position.known || mode == FR_PUBLISH_NOTHING)
        return;
    if (mode == FR_PUBLISH_TWO_STEP &&
        !batch_send_command(device, "update_location",
                            json_pack("{s:s}", "location_name", "unknown"), batch_on_answer))
        return;
    position = json_pack("{s:[f, f], s:I}", "gps", v->position.latitude, v->position.longitude,
                         "gps_accuracy",
                         (json_int_t)(v->accuracy >= 0 ? v->accuracy + 0.5 : ACCURACY_DEFAULT_M));
    if (v->heading >= 0)
        json_object_set_new(position, "course", json_integer((json_int_t)(v->heading + 0.5)));
    if (v->speed_ms >= 0)
        json_object_set_new(position, "speed", json_integer((json_int_t)(v->speed_ms + 0.5)));
    if (batch_send_command(device, "update_location", position, batch_on_answer))
        fr_published_update(&device->published, &v->position);
}

/* Register an entity, unless it is registered with the same description. */
static void batch_register_entity(struct device *device, const struct fr_entity_state *s)
{
    json_t *d = entity_json_description(s);
    char digest[ENTITY_DIGEST_SIZE];
    const char *registered;

    entity_json_digest(d, device_name(device), digest);
    registered = json_string_value(json_object_get(device->saved.sensors, s->id));
    if (registered != NULL && strcmp(registered, digest) == 0) {
        json_decref(d);
        return;
    }
    json_object_set_new(d, "state", entity_json_state(s));
    if (s->entity->disabled && registered == NULL) /* the user may have enabled it meanwhile */
        json_object_set_new(d, "disabled", json_true());
    json_object_set_new(device->saved.sensors, s->id, json_string(digest));
    device->unsaved = true;
    /* Home Assistant may restore an older state after the registration: publish all states again.
     */
    device->republish_ms = fr_clock_monotonic_ms() + REPUBLISH_MS;
    if (!batch_send_command(device, "register_sensor", d, batch_on_entity_registered))
        json_object_del(device->saved.sensors, s->id);
}

static void batch_send_states(struct device *device)
{
    json_t *updates = json_array();

    device->truncated = false;
    for (struct fr_entity_state *s = device->vehicle->states; s != NULL; s = s->next) {
        unsigned todo = s->todo;

        if (todo == 0 || s->is_tracker || s->incomplete)
            continue;
        if (session_capacity(device->env->session) < 2) {
            device->truncated = true;
            break;
        }
        s->todo = 0;
        s->plugin_flags &= ~(uint64_t)DEVICE_ENTITY_UNREGISTERED;
        if (todo & FR_TODO_ANNOUNCE)
            batch_register_entity(device, s);
        json_array_append_new(updates, entity_json_update(s));
        if (json_array_size(updates) == UPDATES_MAX) {
            batch_send_command(device, "update_sensor_states", updates, batch_on_states_updated);
            updates = json_array();
        }
    }
    if (json_array_size(updates) != 0)
        batch_send_command(device, "update_sensor_states", updates, batch_on_states_updated);
    else
        json_decref(updates);
}

/* Send the name and the firmware version of the device when they have changed. */
static void batch_send_details(struct device *device)
{
    const char *model = fr_vehicle_model(device->vehicle->vin);
    const char *version = device_version(device);

    if (device->saved.device_name != NULL && device->saved.version != NULL &&
        strcmp(device->saved.device_name, device_name(device)) == 0 &&
        (strcmp(device->saved.version, version) == 0 || device->vehicle->version[0] == '\0'))
        return;
    device_save_details(device); /* `version` may be the text that this replaces */
    if (batch_send_command(device, "update_registration",
                           json_pack("{s:s, s:s, s:s, s:s, s:s}", "app_version", PACKAGE_VERSION,
                                     "device_name", device_name(device), "manufacturer", "Tesla",
                                     "model", model[0] != '\0' ? model : "Vehicle", "os_version",
                                     device_version(device)),
                           batch_on_answer))
        return;
    free(device->saved.device_name); /* send it again with the next batch */
    device->saved.device_name = NULL;
}

/* ---- the batch ------------------------------------------------------------------- */

static bool batch_has_changes(const struct device *device)
{
    for (const struct fr_entity_state *s = device->vehicle->states; s != NULL; s = s->next)
        if (s->todo != 0 && !s->incomplete)
            return true;
    return false;
}

static bool batch_has_work(const struct device *device)
{
    return batch_has_changes(device) || device->pending.count != 0 || device->in_flight.count != 0;
}

bool device_send_batch(struct device *device)
{
    if (device->batch_active)
        return true;
    if (device->state == DEVICE_DISABLED) {
        device_deliveries_complete(device, &device->pending, FR_DONE);
        device_deliveries_complete(device, &device->in_flight, FR_DONE);
        return true;
    }
    if (device->state != DEVICE_READY)
        return true;
    if (!batch_has_work(device))
        return true;
    if (session_capacity(device->env->session) < CAPACITY_MIN)
        return false;
    device_deliveries_begin(device);
    device->batch_active = true;
    device->open_commands = 1; /* of this function, until all commands are sent */
    for (struct fr_entity_state *s = device->vehicle->states; s != NULL; s = s->next)
        if (s->is_tracker && s->todo != 0) {
            s->todo = 0;
            batch_send_position(device);
        }
    batch_send_details(device);
    batch_send_states(device);
    batch_command_done(device);
    return true;
}

/* The answer is how the sink learns that an entity was enabled. */
static void batch_republish_disabled(struct device *device)
{
    int64_t now = fr_clock_monotonic_ms();

    if (now < device->disabled_ms)
        return;
    device->disabled_ms = now + DISABLED_MS;
    for (struct fr_entity_state *s = device->vehicle->states; s != NULL; s = s->next)
        if (s->plugin_flags & DEVICE_ENTITY_DISABLED)
            s->todo |= FR_TODO_PUBLISH;
}

bool device_tick(struct device *device)
{
    batch_republish_disabled(device);
    if (device->republish_ms != 0 && fr_clock_monotonic_ms() >= device->republish_ms &&
        device->state == DEVICE_READY) {
        device->republish_ms = 0;
        for (struct fr_entity_state *s = device->vehicle->states; s != NULL; s = s->next)
            if (!s->is_tracker && !(s->plugin_flags & DEVICE_ENTITY_UNREGISTERED))
                s->todo |= FR_TODO_PUBLISH;
    }
    return batch_has_work(device);
}
