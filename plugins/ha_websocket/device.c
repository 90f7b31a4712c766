#include "ha_websocket/device.h"

#include <stdlib.h>

#include "ha_websocket/device_deliveries.h"
#include "ha_websocket/device_registration.h"

void device_disconnected(struct device *device)
{
    device_cancel_registration(device);
    device->state = DEVICE_UNKNOWN;
    device->batch_active = device->renaming = device->unknown_entities = device->webhook_unknown =
        false;
    device->unsent = device->truncated = false;
    device->open_commands = 0;
    device->attempts = 0;
    device->published.by_this_session = false;
    device_mark_all(device);
    device_save(device);
    device_deliveries_complete(device, &device->in_flight, FR_RETRY);
    device_deliveries_complete(device, &device->pending, FR_RETRY);
}

bool device_set_queued(struct device *device, bool queued)
{
    bool before = device->queued;

    device->queued = queued;
    return before;
}

struct device *device_new(const struct device_env *env, struct fr_ha_vehicle *vehicle)
{
    struct device *device = calloc(1, sizeof *device);
    struct fr_text_buffer why = {0};
    bool loaded;

    if (device == NULL)
        return NULL;
    device->env = env;
    device->vehicle = vehicle;
    loaded = saved_registration_load(&device->saved, env->folder, vehicle->vin, &why) == 0;
    if (why.len != 0)
        env->host->log(env->sink, FR_LOG_WARNING, "%s: %s is registered with Home Assistant again",
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

    device_cancel_registration(device);
    device_save(device);
    saved_registration_clear(&device->saved);
    free(device->pending.items);
    free(device->in_flight.items);
    free(device);
}
