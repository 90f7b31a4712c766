/* A vehicle's registration: asked for, looked up, lost and found. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ha_websocket/device_state.h"
#include "clock_ms.h"
#include "safe_name.h"

#define REGISTER_AT_A_TIME 8
#define REGISTER_AGAIN_MS 5000 /* after a registration that failed, or is not seen */
#define DEAD_FLIGHTS_MOST 5
#define REPLACE_AGAIN_MS 60000
#define WRITE_AGAIN_MS 500 /* after a registration that could not be written */

const char *device_name(const struct device *device)
{
    return device->vehicle->name;
}

void device_id(const struct device *device, struct fr_text_buffer *id)
{
    fr_safe_name(id, device->vehicle->vin);
}

/* ---- remembering ----------------------------------------------------------------- */

static void device_not_written(struct device *device, const struct fr_text_buffer *why)
{
    const struct device_house *house = device->house;

    if (house->not_written->len == 0)
        house->host->log(house->sink, FR_LOG_ERROR,
                         "%s; it is tried again; until then a restart registers %s with Home "
                         "Assistant again",
                         fr_text_buffer_string(why), device_name(device));
    fr_text_buffer_clear(house->not_written);
    fr_text_buffer_add(house->not_written, fr_text_buffer_string(why));
    *house->write_again_ms = fr_clock_monotonic_ms() + WRITE_AGAIN_MS;
    house->connected(house->ctx);
}

bool device_remember(struct device *device)
{
    const struct device_house *house = device->house;
    struct fr_text_buffer why = {0};

    if (!device->keep_it)
        return true;
    if (house->not_written->len != 0 && fr_clock_monotonic_ms() < *house->write_again_ms)
        return false;
    if (house->folder == NULL)
        fr_text_buffer_add(&why, "the folder for registrations cannot be made");
    else if (remembered_save(&device->remembered, house->folder, device->vehicle->vin, &why))
        device->keep_it = false;
    if (device->keep_it)
        device_not_written(device, &why);
    fr_text_buffer_free(&why);
    return !device->keep_it;
}

static void forget_registration(struct device *device)
{
    free(device->remembered.webhook);
    device->remembered.webhook = NULL;
    json_object_clear(device->remembered.sensors);
    device->keep_it = true;
}

void device_tell_all(struct device *device)
{
    for (struct fr_entity_state *s = device->vehicle->states; s != NULL; s = s->next)
        s->todo |= FR_TODO_ANNOUNCE | FR_TODO_TELL;
}

/* ---- registration ---------------------------------------------------------------- */

void device_be_unknown(struct device *device, int64_t look_again_ms)
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
    device->registered_ms = fr_clock_monotonic_ms();
    if (webhook == NULL) {
        house->host->health(
            house->sink, FR_HEALTH_DEGRADED, "%s cannot be registered with Home Assistant: %s%s",
            device_name(device), why,
            status == 404 ? " (its configuration.yaml needs `default_config:` or `mobile_app:`)"
                          : "");
        device_be_unknown(device, REGISTER_AGAIN_MS);
        return;
    }
    house->host->log(house->sink, FR_LOG_NOTICE, "%s is registered with Home Assistant",
                     device_name(device));
    house->connected(house->ctx);
    forget_registration(device);
    free(device->remembered.device_name);
    device->remembered.device_name = strdup(device_name(device));
    device->remembered.webhook = strdup(webhook);
    device->name_tracker = true;
    device->gone = false;
    device_remember(device);
    device_be_unknown(device, 0);
}

static void register_device(struct device *device)
{
    const struct device_house *house = device->house;
    size_t *asked = house->registering;
    const struct fr_ha_vehicle *v = device->vehicle;
    const char *model = fr_vehicle_model(v->vin);
    struct fr_text_buffer id = {0};
    json_t *body;

    device_id(device, &id);
    body = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:{}}", "device_id",
                     fr_text_buffer_string(&id), "app_id", "fleetroute", "app_name", "fleetroute",
                     "app_version", PACKAGE_VERSION, "device_name", v->name, "manufacturer",
                     "Tesla", "model", model[0] != '\0' ? model : "Vehicle", "os_name",
                     "Fleet Telemetry", "os_version", v->version[0] != '\0' ? v->version : "1",
                     "supports_encryption", 0, "app_data");

    fr_text_buffer_free(&id);
    if (*asked >= REGISTER_AT_A_TIME) {
        json_decref(body);
        device_be_unknown(device, 200);
        return;
    }
    device->registered_ms = fr_clock_monotonic_ms();
    device->asking = registration_ask(house->peer, house->host->event_base(house->sink),
                                      session_address(house->session),
                                      session_token(house->session), body, is_registered, device);
    if (device->asking == NULL) {
        device_be_unknown(device, REGISTER_AGAIN_MS);
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
    device_be_unknown(device, 0);
}

/* Home Assistant names the tracker after the vehicle alone; it gets `_location` behind that, once:
 * a name that the user gives it later stays. */
static bool name_tracker(struct device *device, const char *entity_id)
{
    char slug[FR_ENTITY_ID_SIZE], id[160];

    fr_entity_slug(device_name(device), slug, sizeof slug);
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
    if (device->registered_ms != 0 &&
        fr_clock_monotonic_ms() - device->registered_ms < REGISTER_AGAIN_MS) {
        device_be_unknown(device, 500);
        return;
    }
    device->house->host->log(device->house->sink, FR_LOG_NOTICE,
                             "%s is no device of Home Assistant any more; it is registered again",
                             device_name(device));
    forget_registration(device);
    register_device(device);
}

/* Home Assistant has the vehicle under another webhook: somebody else registered it, or our memory
 * of it is old. Two that take it from each other do so once a minute. */
static void replace_registration(struct device *device)
{
    if (device->registered_ms != 0 &&
        fr_clock_monotonic_ms() - device->registered_ms < REPLACE_AGAIN_MS) {
        device_be_unknown(device, REPLACE_AGAIN_MS / 6);
        return;
    }
    device->house->host->log(device->house->sink, FR_LOG_WARNING,
                             "Home Assistant has %s, but not from us (does another fleetroute send "
                             "it, too?); it is registered again",
                             device_name(device));
    device->dead_flights = 0;
    forget_registration(device);
    register_device(device);
}

static void become_ready(struct device *device, const struct device_findings *f)
{
    device->state = DEVICE_READY;
    device->gone = false;
    device->shown = (struct fr_shown){
        .known = f->has_place, .latitude = f->latitude, .longitude = f->longitude};
    device_tell_all(device);
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
        if (device->registered_ms == 0 ||
            fr_clock_monotonic_ms() - device->registered_ms > REGISTER_AGAIN_MS)
            register_device(device);
        else
            device_be_unknown(device, 1000);
    } else if (f->disabled) {
        if (device->state != DEVICE_DISABLED)
            device->house->host->log(device->house->sink, FR_LOG_WARNING,
                                     "%s is disabled in Home Assistant: nothing is sent for it",
                                     device_name(device));
        device->state = DEVICE_DISABLED;
        device->house->landed(device->house->ctx, device);
        device->house->look_again(device->house->ctx, 30000);
    } else if (!f->has_state)
        device_be_unknown(device, 250); /* Home Assistant is still starting */
    else if (device->dead_flights >= DEAD_FLIGHTS_MOST)
        replace_registration(device);
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

/* ---- life ------------------------------------------------------------------------ */

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
    device->unsent = device->cut_short = false;
    device->commands = 0;
    device->tries = 0;
    device->shown.ours = false;
    device_tell_all(device);
    device_remember(device);
    device_answer(device, device->riding, &device->riding_count, FR_RETRY);
    device_answer(device, device->pending, &device->pending_count, FR_RETRY);
}

bool device_queue(struct device *device, bool queued)
{
    bool was = device->queued;

    device->queued = queued;
    return was;
}

struct device *device_new(const struct device_house *house, struct fr_ha_vehicle *vehicle)
{
    struct device *device = calloc(1, sizeof *device);
    struct fr_text_buffer why = {0};
    bool loaded;

    if (device == NULL)
        return NULL;
    device->house = house;
    device->vehicle = vehicle;
    loaded = remembered_load(&device->remembered, house->folder, vehicle->vin, &why) == 0;
    if (why.len != 0)
        house->host->log(house->sink, FR_LOG_WARNING,
                         "%s; %s is registered with Home Assistant again",
                         fr_text_buffer_string(&why), device_name(device));
    fr_text_buffer_free(&why);
    if (loaded)
        return device;
    free(device);
    return NULL;
}

void device_free(void *ctx)
{
    struct device *device = ctx;

    stop_asking(device);
    device_remember(device);
    remembered_clear(&device->remembered);
    free(device->pending);
    free(device->riding);
    free(device);
}
