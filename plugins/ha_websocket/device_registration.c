#include "ha_websocket/device_registration.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock_ms.h"
#include "home_assistant/slug.h"

#define REGISTERING_MAX 8         /* requests at a time, of all devices */
#define REGISTER_RETRY_MS 5000    /* after a failed registration, or one that does not appear */
#define DEAD_BATCHES_MAX 5        /* until the registration is replaced */
#define REPLACE_INTERVAL_MS 60000 /* between two replacements */

static void device_clear_registration(struct device *device)
{
    free(device->saved.webhook);
    device->saved.webhook = NULL;
    json_object_clear(device->saved.sensors);
    device->unsaved = true;
}

/* ---- registering ----------------------------------------------------------------- */

static void device_on_registered(void *ctx, const char *webhook, int status, const char *why)
{
    struct device *device = ctx;
    const struct device_env *env = device->env;

    assert(*env->registering != 0);
    device->registration = NULL;
    --*env->registering;
    device->registered_ms = fr_clock_monotonic_ms();
    if (webhook == NULL) {
        env->host->health(
            env->sink, FR_HEALTH_DEGRADED, "%s cannot be registered with Home Assistant: %s%s",
            device_name(device), why,
            status == 404 ? " (its configuration.yaml needs `default_config:` or `mobile_app:`)"
                          : "");
        device_lookup(device, REGISTER_RETRY_MS);
        return;
    }
    env->host->log(env->sink, FR_LOG_NOTICE, "%s is registered with Home Assistant",
                   device_name(device));
    env->report_connected(env->ctx);
    device_clear_registration(device);
    device_save_details(device);
    device->saved.webhook = strdup(webhook);
    device->rename_tracker = true;
    device->webhook_unknown = false;
    device_save(device);
    device_lookup(device, 0);
}

static void device_register(struct device *device)
{
    const struct device_env *env = device->env;
    size_t *registering = env->registering;
    const struct fr_ha_vehicle *v = device->vehicle;
    const char *model = fr_vehicle_model(v->vin);
    struct fr_text_buffer id = {0};
    json_t *body;

    device_append_id(device, &id);
    body =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:{}}", "device_id",
                  fr_text_buffer_string(&id), "app_id", "fleetroute", "app_name", "fleetroute",
                  "app_version", PACKAGE_VERSION, "device_name", v->name, "manufacturer", "Tesla",
                  "model", model[0] != '\0' ? model : "Vehicle", "os_name", "Fleet Telemetry",
                  "os_version", device_version(device), "supports_encryption", 0, "app_data");

    fr_text_buffer_free(&id);
    if (*registering >= REGISTERING_MAX) {
        json_decref(body);
        device_lookup(device, 200);
        return;
    }
    device->registered_ms = fr_clock_monotonic_ms();
    device->registration = registration_start(
        env->peer, env->host->event_base(env->sink), session_address(env->session),
        session_token(env->session), body, device_on_registered, device);
    if (device->registration == NULL) {
        device_lookup(device, REGISTER_RETRY_MS);
        return;
    }
    device->state = DEVICE_REGISTERING;
    ++*registering;
}

/* ---- the name of the tracker ----------------------------------------------------- */

static void device_on_renamed(void *ctx, const json_t *result, const char *error)
{
    struct device *device = ctx;

    (void)result;
    device->renaming = false;
    if (error != NULL)
        device->env->host->log(device->env->sink, FR_LOG_WARNING,
                               "%s cannot be renamed: %s; use a token of an administrator",
                               device->tracker, error);
    device_lookup(device, 0);
}

/* Give the tracker of a new registration the id NAME_location, the name "NAME Location" and the icon
 * of a car; Home Assistant names it NAME. This is done once, so that later choices of the user are
 * kept. Returns true if a command was sent. */
static bool device_rename_tracker(struct device *device, const char *entity_id)
{
    char slug[FR_ENTITY_ID_SIZE], id[160];

    fr_entity_slug(device_name(device), slug, sizeof slug);
    snprintf(id, sizeof id, "device_tracker.%s_location", slug);
    if (!device->rename_tracker)
        return false;
    device->rename_tracker = false;
    device->renaming =
        session_send(device->env->session,
                     json_pack("{s:s, s:s, s:s, s:o, s:s}", "type", "config/entity_registry/update",
                               "entity_id", entity_id, "new_entity_id", id, "name",
                               json_sprintf("%s Location", device_name(device)), "icon", "mdi:car"),
                     device_on_renamed, device);
    return device->renaming;
}

/* ---- findings -------------------------------------------------------------------- */

static void device_handle_missing(struct device *device)
{
    if (device->saved.webhook == NULL || device->webhook_unknown) {
        device_register(device);
        return;
    }
    /* A new registration may appear in the registry with a delay. */
    if (device->registered_ms != 0 &&
        fr_clock_monotonic_ms() - device->registered_ms < REGISTER_RETRY_MS) {
        device_lookup(device, 500);
        return;
    }
    device->env->host->log(device->env->sink, FR_LOG_NOTICE,
                           "%s is no longer a device of Home Assistant: it is registered again",
                           device_name(device));
    device_clear_registration(device);
    device_register(device);
}

/*
 * Replace a registration whose webhook is unknown: another instance has registered the vehicle, or
 * the saved registration is old. Rate-limited so that two instances cannot fight over one device.
 */
static void device_replace_registration(struct device *device)
{
    if (device->registered_ms != 0 &&
        fr_clock_monotonic_ms() - device->registered_ms < REPLACE_INTERVAL_MS) {
        device_lookup(device, REPLACE_INTERVAL_MS / 6);
        return;
    }
    device->env->host->log(
        device->env->sink, FR_LOG_WARNING,
        "Home Assistant has %s with another registration: it is registered again; "
        "check whether another fleetroute sends it",
        device_name(device));
    device->dead_batches = 0;
    device_clear_registration(device);
    device_register(device);
}

static void device_become_ready(struct device *device, const struct device_findings *f)
{
    device->state = DEVICE_READY;
    device->webhook_unknown = false;
    device->published = (struct fr_published){
        .known = f->has_position, .latitude = f->latitude, .longitude = f->longitude};
    device_mark_all(device);
    device->env->on_writable(device->env->ctx, device);
}

void device_apply_findings(struct device *device, const struct device_findings *f)
{
    if (device->state == DEVICE_REGISTERING || device->state == DEVICE_READY || device->renaming)
        return;
    if (!f->registered) {
        device_handle_missing(device);
        return;
    }
    snprintf(device->tracker, sizeof device->tracker, "%s", f->entity_id);
    if (device->saved.webhook == NULL) { /* registered, but its webhook is not saved */
        if (device->registered_ms == 0 ||
            fr_clock_monotonic_ms() - device->registered_ms > REGISTER_RETRY_MS)
            device_register(device);
        else
            device_lookup(device, 1000);
    } else if (f->disabled) {
        if (device->state != DEVICE_DISABLED)
            device->env->host->log(
                device->env->sink, FR_LOG_WARNING,
                "%s is disabled in Home Assistant: nothing is sent for it; enable its device there",
                device_name(device));
        device->state = DEVICE_DISABLED;
        device->env->on_writable(device->env->ctx, device);
        device->env->lookup(device->env->ctx, 30000);
    } else if (!f->has_state)
        device_lookup(device, 250); /* Home Assistant is still starting */
    else if (device->dead_batches >= DEAD_BATCHES_MAX)
        device_replace_registration(device);
    else if (!device_rename_tracker(device, f->entity_id))
        device_become_ready(device, f);
}

void device_cancel_registration(struct device *device)
{
    if (device->registration == NULL)
        return;
    registration_cancel(device->registration);
    device->registration = NULL;
    --*device->env->registering;
}
