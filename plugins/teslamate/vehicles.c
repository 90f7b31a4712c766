#include "teslamate/vehicles.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "car_state/car_derived.h"
#include "car_state/cars.h"

/* No frame, and no sign that the vehicle is awake. */
#define NOT_NEW (FR_FLAG_LATE | FR_FLAG_RESTORED | FR_FLAG_REPEATED)

struct vehicles {
    struct fr_cars *cars;
    struct fr_car_ids *ids;
    const struct vehicles_events *events;
    void *ctx;
    struct vehicle *first, *last;
    struct vehicle *dirty;
};

struct vehicles *vehicles_new(struct fr_car_ids *ids, const struct vehicles_events *events,
                              void *ctx)
{
    struct vehicles *v = calloc(1, sizeof *v);

    if (v == NULL)
        return NULL;
    v->ids = ids;
    v->events = events;
    v->ctx = ctx;
    v->cars = fr_cars_new();
    if (v->cars != NULL)
        return v;
    free(v);
    return NULL;
}

void vehicles_free(struct vehicles *v)
{
    if (v == NULL)
        return;
    fr_cars_free(v->cars, free);
    free(v);
}

/* ---- states ---------------------------------------------------------------------- */

const char *vehicle_state(const struct vehicle *vehicle)
{
    return vehicle->online ? "online" : vehicle->away;
}

/* Derive whether the vehicle is online. An unknown state counts as offline: TeslaMate ends drives and
 * charges of a vehicle that is asleep at once, of one that is offline after 15 minutes. */
static void vehicles_update_state(struct vehicles *v, struct vehicle *vehicle)
{
    bool connected = fr_car_is_awake(vehicle->car);
    const char *away = vehicle->away;
    bool was = vehicle->online;

    if (!connected) {
        awake_disconnected(&vehicle->awake);
        vehicle->away = vehicle->car->state == FR_CAR_ASLEEP ? "asleep" : "offline";
    }
    vehicle->online = connected && vehicle->awake.is_awake;
    if (vehicle->online != was || (!vehicle->online && vehicle->away != away))
        v->events->state(v->ctx, vehicle);
}

/* ---- deliveries ------------------------------------------------------------------ */

static struct vehicle *vehicles_add(struct vehicles *v, struct fr_car *car)
{
    uint32_t id = fr_car_ids_get(v->ids, car->vin);
    struct vehicle *vehicle = id != 0 ? calloc(1, sizeof *vehicle) : NULL;

    if (vehicle == NULL)
        return NULL;
    vehicle->car = car;
    vehicle->id = id;
    vehicle->away = "offline";
    car->id = id;
    car->own = vehicle;
    if (v->last != NULL)
        v->last->next = vehicle;
    else
        v->first = vehicle;
    v->last = vehicle;
    v->events->added(v->ctx, vehicle);
    return vehicle;
}

static void vehicles_end_frame(struct vehicles *v, struct vehicle *vehicle)
{
    if (vehicle->dirty && vehicle->online)
        v->events->frame(v->ctx, vehicle);
    vehicle->dirty = false;
}

/* Note the record that a value is from. */
static void vehicles_begin_frame(struct vehicles *v, struct vehicle *vehicle, int64_t at_ms)
{
    if (at_ms != vehicle->frame_ms && fr_car_is_awake(vehicle->car))
        awake_frame(&vehicle->awake, at_ms);
    vehicle->frame_ms = at_ms;
    if (!vehicle->dirty) {
        vehicle->dirty = true;
        vehicle->next_dirty = v->dirty;
        v->dirty = vehicle;
    }
}

static void vehicles_drop_dirty(struct vehicles *v, const struct vehicle *vehicle)
{
    struct vehicle **link = &v->dirty;

    while (*link != NULL && *link != vehicle)
        link = &(*link)->next_dirty;
    if (*link != NULL)
        *link = vehicle->next_dirty;
}

bool vehicles_receive(struct vehicles *v, const struct fr_delivery *d, int64_t now_ms)
{
    /* A clock that is ahead must not stop the time of the vehicle. */
    int64_t at_ms =
        d->created_ms != 0 && d->created_ms < d->received_ms ? d->created_ms : d->received_ms;
    bool is_value = d->kind == FR_DELIVERY_FIELD, is_new = is_value && !(d->flags & NOT_NEW);
    struct fr_car *car = fr_cars_find(v->cars, d->vin);
    struct vehicle *vehicle = car != NULL ? car->own : NULL;

    if (vehicle != NULL && vehicle->dirty &&
        (!is_value || (is_new && at_ms != vehicle->frame_ms))) {
        vehicles_drop_dirty(v, vehicle);
        vehicles_end_frame(v, vehicle);
    }
    car = fr_cars_receive(v->cars, d, now_ms);
    if (car == NULL || (car->own == NULL && vehicles_add(v, car) == NULL))
        return false;
    vehicle = car->own;
    if (is_new)
        vehicles_begin_frame(v, vehicle, at_ms);
    if (is_value && at_ms > vehicle->as_of_ms)
        vehicle->as_of_ms = at_ms;
    vehicles_update_state(v, vehicle);
    return true;
}

void vehicles_flush(struct vehicles *v)
{
    struct vehicle *vehicle;

    while ((vehicle = v->dirty) != NULL) {
        v->dirty = vehicle->next_dirty;
        vehicles_end_frame(v, vehicle);
    }
}

void vehicles_pass_time(struct vehicles *v, int64_t now_ms)
{
    for (struct fr_car *car = fr_cars_first(v->cars); car != NULL; car = car->next)
        if (car->own != NULL) {
            fr_car_update(car, now_ms, now_ms);
            vehicles_update_state(v, car->own);
        }
}

/* ---- look-ups -------------------------------------------------------------------- */

static struct vehicle *vehicles_find_id(const struct vehicles *v, const char *text)
{
    unsigned long long id = 0;
    size_t digits = strspn(text, "0123456789");
    const char *vin;
    const struct fr_car *car;

    if (digits == 0 || digits > 10 || text[digits] != '\0')
        return NULL;
    id = strtoull(text, NULL, 10);
    if (id == 0 || id > FR_CAR_ID_MAX)
        return NULL;
    vin = fr_car_ids_vin(v->ids, (uint32_t)id);
    car = vin != NULL ? fr_cars_find(v->cars, vin) : NULL;
    return car != NULL ? car->own : NULL;
}

struct vehicle *vehicles_find(const struct vehicles *v, const char *vin_or_id)
{
    const struct fr_car *car = fr_cars_find(v->cars, vin_or_id);

    return car != NULL ? car->own : vehicles_find_id(v, vin_or_id);
}

struct vehicle *vehicles_first(const struct vehicles *v)
{
    return v->first;
}

bool vehicles_lack_presence(const struct vehicles *v)
{
    bool live = false;

    for (const struct vehicle *vehicle = v->first; vehicle != NULL; vehicle = vehicle->next) {
        if (vehicle->car->connection_known)
            return false;
        live |= vehicle->car->live_ms != 0;
    }
    return live;
}
