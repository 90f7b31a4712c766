#include "ha_websocket/device_deliveries.h"

#include <stdlib.h>
#include <string.h>

static bool deliveries_add(struct delivery_list *list, struct fr_delivery *d)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity != 0 ? list->capacity * 2 : 16;
        struct fr_delivery **items = realloc(list->items, capacity * sizeof(struct fr_delivery *));

        if (items == NULL)
            return false;
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = d;
    return true;
}

/* Whether the value of a delivery is one of the inputs of an entity. */
static bool deliveries_contributes(const struct fr_delivery *d, const struct fr_entity_state *s)
{
    const char *field = d->kind == FR_DELIVERY_FIELD ? d->field_name : "presence";

    return fr_words_find(&s->entity->from, field) >= 0;
}

/* The first unregistered entity that a delivery contributes to; NULL: none. */
static const struct fr_entity_state *deliveries_unregistered_entity(const struct device *device,
                                                                    const struct fr_delivery *d)
{
    const struct fr_entity_state *s = device->vehicle->states;

    while (s != NULL &&
           !((s->plugin_flags & DEVICE_ENTITY_UNREGISTERED) && deliveries_contributes(d, s)))
        s = s->next;
    return s;
}

void device_enqueue(struct device *device, struct fr_delivery *d)
{
    for (struct fr_entity_state *s = device->vehicle->states; s != NULL; s = s->next)
        if ((s->plugin_flags & DEVICE_ENTITY_UNREGISTERED) && deliveries_contributes(d, s))
            s->todo |= FR_TODO_ANNOUNCE | FR_TODO_PUBLISH;
    if (!deliveries_add(&device->pending, d))
        device->env->host->done(device->env->sink, d, FR_RETRY);
}

void device_deliveries_complete(const struct device *device, struct delivery_list *list,
                                enum fr_outcome outcome)
{
    size_t count = list->count;

    list->count = 0;
    for (size_t i = 0; i < count; i++)
        device->env->host->done(device->env->sink, list->items[i], outcome);
}

void device_deliveries_begin(struct device *device)
{
    struct delivery_list *pending = &device->pending;
    size_t moved = 0;

    while (moved < pending->count && deliveries_add(&device->in_flight, pending->items[moved]))
        moved++;
    if (moved != 0)
        memmove(pending->items, pending->items + moved,
                (pending->count - moved) * sizeof(struct fr_delivery *));
    pending->count -= moved;
}

void device_deliveries_complete_batch(struct device *device)
{
    const struct fr_host *host = device->env->host;
    size_t n = device->in_flight.count;

    for (struct fr_entity_state *s = device->vehicle->states; s != NULL; s = s->next)
        if (s->plugin_flags & DEVICE_ENTITY_UNREGISTERED)
            s->todo = 0; /* until device_enqueue() marks it again */
    device->in_flight.count = 0;
    for (size_t i = 0; i < n; i++) {
        const struct fr_entity_state *s =
            deliveries_unregistered_entity(device, device->in_flight.items[i]);

        if (s == NULL)
            host->done(device->env->sink, device->in_flight.items[i], FR_DONE);
        else
            host->fail(device->env->sink, device->in_flight.items[i], FR_FAILED,
                       "Home Assistant has no entity %s of %s after %d registrations; look for "
                       "mobile_app in its log, and restart it or delete the device there",
                       s->id, device_name(device), DEVICE_ATTEMPTS_MAX);
    }
}
