#include "ha_websocket/device_state.h"

#include <stdlib.h>
#include <string.h>

#include "clock_ms.h"
#include "safe_name.h"

#define SAVE_RETRY_MS 500 /* after a registration could not be saved */

const char *device_name(const struct device *device)
{
    return device->vehicle->name;
}

const char *device_version(const struct device *device)
{
    return device->vehicle->version[0] != '\0' ? device->vehicle->version
           : device->saved.version != NULL     ? device->saved.version
                                               : "unknown";
}

void device_save_details(struct device *device)
{
    char *version = strdup(device_version(device));

    free(device->saved.device_name);
    free(device->saved.version);
    device->saved.device_name = strdup(device_name(device));
    device->saved.version = version;
    device->unsaved = true;
}

void device_append_id(const struct device *device, struct fr_text_buffer *id)
{
    fr_safe_name(id, device->vehicle->vin);
}

void device_mark_all(struct device *device)
{
    for (struct fr_entity_state *s = device->vehicle->states; s != NULL; s = s->next)
        s->todo |= FR_TODO_ANNOUNCE | FR_TODO_PUBLISH;
}

void device_lookup(struct device *device, int64_t ms)
{
    device->state = DEVICE_UNKNOWN;
    device->env->lookup(device->env->ctx, ms);
}

static void device_report_save_error(struct device *device, const struct fr_text_buffer *why)
{
    const struct device_env *env = device->env;

    if (env->save_error->len == 0)
        env->host->log(
            env->sink, FR_LOG_ERROR,
            "%s; fleetroute retries; a restart before that registers %s with Home Assistant "
            "again",
            fr_text_buffer_string(why), device_name(device));
    fr_text_buffer_clear(env->save_error);
    fr_text_buffer_add(env->save_error, fr_text_buffer_string(why));
    *env->save_retry_ms = fr_clock_monotonic_ms() + SAVE_RETRY_MS;
    env->report_connected(env->ctx);
}

bool device_save(struct device *device)
{
    const struct device_env *env = device->env;
    struct fr_text_buffer why = {0};

    if (!device->unsaved)
        return true;
    if (env->save_error->len != 0 && fr_clock_monotonic_ms() < *env->save_retry_ms)
        return false;
    if (env->folder == NULL)
        fr_text_buffer_add(&why, "the folder for registrations cannot be created");
    else if (saved_registration_save(&device->saved, env->folder, device->vehicle->vin, &why))
        device->unsaved = false;
    if (device->unsaved)
        device_report_save_error(device, &why);
    fr_text_buffer_free(&why);
    return !device->unsaved;
}
