#include "home_assistant/vehicles.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "home_assistant/field_index.h"
#include "home_assistant/slug.h"
#include "safe_name.h"
#include "text_hash.h"
#include "utf8.h"

#define BUCKETS 4096
#define PRESENCE "presence"
#define ALERTS "alerts"
#define HEADING_MAX 360    /* degrees */
#define ACCURACY_MAX_M 1e6 /* metres */
#define SPEED_MAX_MS 1000  /* metres per second */

struct fr_vehicles {
    struct fr_field_index *fields;
    struct fr_ha_vehicle *buckets[BUCKETS], *first, *last;
    size_t count;
    int64_t live_ms;
};

/* ---- vehicles -------------------------------------------------------------------- */

const char *fr_vehicle_model(const char *vin)
{
    switch (strlen(vin) == 17 ? vin[3] : '\0') {
    case '3':
        return "Model 3";
    case 'S':
        return "Model S";
    case 'X':
        return "Model X";
    case 'Y':
        return "Model Y";
    case 'C':
        return "Cybertruck";
    case 'T':
        return "Semi";
    default:
        return "";
    }
}

/* The name of a vehicle: from the configuration, or the model and the end of the VIN. The caller
 * frees it. */
static char *vehicles_make_name(const struct fr_delivery *d)
{
    const char *model = fr_vehicle_model(d->vin);
    struct fr_text_buffer name = {0};
    size_t len = strlen(d->vin);

    if (d->vehicle_name != NULL)
        return strdup(d->vehicle_name);
    fr_text_buffer_printf(&name, "Tesla %s%s", model, model[0] != '\0' ? " " : "");
    fr_safe_name(&name, d->vin + (len > 6 ? len - 6 : 0));
    if (!name.failed)
        return name.bytes;
    fr_text_buffer_free(&name);
    return NULL;
}

struct fr_ha_vehicle *fr_vehicles_find(const struct fr_vehicles *v, const char *vin)
{
    struct fr_ha_vehicle *found = v->buckets[fr_text_hash(vin) % BUCKETS];

    while (found != NULL && strcmp(found->vin, vin) != 0)
        found = found->next_in_bucket;
    return found;
}

/* Find the vehicle of a delivery, or make it. NULL: too many vehicles, or no memory. */
static struct fr_ha_vehicle *vehicles_ensure_vehicle(struct fr_vehicles *v,
                                                     const struct fr_delivery *d)
{
    struct fr_ha_vehicle **bucket = &v->buckets[fr_text_hash(d->vin) % BUCKETS];
    struct fr_ha_vehicle *found = fr_vehicles_find(v, d->vin);
    size_t size = strlen(d->vin) + 1;

    if (found != NULL || v->count == FR_VEHICLES_MAX)
        return found;
    found = calloc(1, sizeof *found + size);
    if (found == NULL || (found->name = vehicles_make_name(d)) == NULL) {
        free(found);
        return NULL;
    }
    memcpy(found->vin, d->vin, size);
    found->heading = found->speed_ms = found->accuracy = -1;
    found->next_in_bucket = *bucket;
    *bucket = found;
    if (v->last != NULL)
        v->last->next = found;
    else
        v->first = found;
    v->last = found;
    v->count++;
    return found;
}

/* Adopt the name of the vehicle in the configuration, which a reload may have changed. */
static bool vehicles_update_name(struct fr_ha_vehicle *vehicle, const struct fr_delivery *d)
{
    char *name;

    if (d->vehicle_name == NULL || strcmp(d->vehicle_name, vehicle->name) == 0)
        return true;
    if ((name = strdup(d->vehicle_name)) == NULL)
        return false;
    free(vehicle->name);
    vehicle->name = name;
    for (struct fr_entity_state *s = vehicle->states; s != NULL; s = s->next)
        s->todo |= FR_TODO_ANNOUNCE;
    return true;
}

struct fr_ha_vehicle *fr_vehicles_first(const struct fr_vehicles *v)
{
    return v->first;
}

static void vehicles_free_vehicle(struct fr_ha_vehicle *vehicle, void (*free_own)(void *own))
{
    while (vehicle->states != NULL) {
        struct fr_entity_state *next = vehicle->states->next;

        fr_entity_state_free(vehicle->states);
        vehicle->states = next;
    }
    if (vehicle->own != NULL && free_own != NULL)
        free_own(vehicle->own);
    free(vehicle->name);
    free(vehicle);
}

void fr_vehicles_free(struct fr_vehicles *v, void (*free_own)(void *own))
{
    if (v == NULL)
        return;
    while (v->first != NULL) {
        struct fr_ha_vehicle *next = v->first->next;

        vehicles_free_vehicle(v->first, free_own);
        v->first = next;
    }
    fr_field_index_free(v->fields);
    free(v);
}

struct fr_vehicles *fr_vehicles_new(const struct fr_entities *entities, int64_t live_ms)
{
    struct fr_vehicles *v = calloc(1, sizeof *v);

    if (v == NULL)
        return NULL;
    v->live_ms = live_ms;
    v->fields = fr_field_index_new(entities);
    if (v->fields != NULL)
        return v;
    fr_vehicles_free(v, NULL);
    return NULL;
}

/* ---- entities -------------------------------------------------------------------- */

/* Find the state of an entity, or make it. `as`: the name that the route gives it; NULL: none. */
static struct fr_entity_state *vehicles_ensure_state(struct fr_ha_vehicle *vehicle,
                                                     const struct fr_entity *entity, const char *as)
{
    struct fr_entity_state *s;
    char slug[FR_ENTITY_ID_SIZE];
    const char *id, *name;

    fr_entity_slug(as != NULL ? as : "", slug, sizeof slug);
    id = slug[0] != '\0' ? slug : entity->id;
    name = slug[0] != '\0' ? as : entity->name;
    for (s = vehicle->states; s != NULL; s = s->next)
        if (s->entity == entity && strcmp(s->id, id) == 0)
            return s;
    s = fr_entity_state_new(entity, id, name);
    if (s == NULL)
        return NULL;
    if (vehicle->last_state != NULL)
        vehicle->last_state->next = s;
    else
        vehicle->states = s;
    vehicle->last_state = s;
    return s;
}

/* `number` if it is from 0 to `max`, else -1. */
static double vehicles_bounded(double number, double max)
{
    return number >= 0 && number <= max ? number : -1;
}

/* Keep the firmware version, "2026.32.1" of "2026.32.1 5f3a9c1d2e4b". The device's description, a
 * part of each announcement, has it. */
static void vehicles_update_version(struct fr_ha_vehicle *vehicle, const char *text, size_t len)
{
    char version[sizeof vehicle->version];

    snprintf(version, sizeof version, "%.*s", (int)fr_utf8_cut(text, len, sizeof version - 1),
             text);
    version[strcspn(version, " ")] = '\0';
    if (version[0] == '\0' || strcmp(version, vehicle->version) == 0)
        return;
    memcpy(vehicle->version, version, sizeof version);
    for (struct fr_entity_state *s = vehicle->states; s != NULL; s = s->next)
        s->todo |= FR_TODO_ANNOUNCE;
}

/* Keep the values that are published together with the position, and the firmware version. */
static void vehicles_update_details(struct fr_ha_vehicle *vehicle, const struct fr_delivery *d)
{
    double real = d->value.kind == FR_VALUE_REAL  ? d->value.real
                  : d->value.kind == FR_VALUE_INT ? (double)d->value.integer
                                                  : -1;

    if (strcmp(d->field_name, "GpsHeading") == 0)
        vehicle->heading = vehicles_bounded(real, HEADING_MAX);
    else if (strcmp(d->field_name, "GpsAccuracyMeters") == 0)
        vehicle->accuracy = vehicles_bounded(real, ACCURACY_MAX_M);
    else if (strcmp(d->field_name, "VehicleSpeed") == 0)
        vehicle->speed_ms = vehicles_bounded(strcmp(d->unit, "km/h") == 0  ? real / 3.6
                                             : strcmp(d->unit, "mph") == 0 ? real * 0.44704
                                                                           : real,
                                             SPEED_MAX_MS);
    else if (strcmp(d->field_name, "Version") == 0 && d->value.kind == FR_VALUE_TEXT)
        vehicles_update_version(vehicle, d->value.text.bytes, d->value.text.len);
}

/* ---- deliveries ------------------------------------------------------------------ */

static bool vehicles_receive_field(struct fr_vehicles *v, struct fr_ha_vehicle *vehicle,
                                   const struct fr_delivery *d, int64_t now_ms)
{
    const struct fr_field_use *use = fr_field_index_find(v->fields, d->field_name);
    bool renamed = strcmp(d->name, d->field_name) != 0, ok = true;

    if (use == NULL && (use = fr_field_index_add(v->fields, d)) == NULL)
        return false;
    vehicles_update_details(vehicle, d);
    for (; use != NULL && ok; use = fr_field_use_next(use)) {
        struct fr_entity_state *s = vehicles_ensure_state(
            vehicle, use->entity, renamed && !use->entity->derived ? d->name : NULL);

        ok = s != NULL && fr_entity_state_receive(s, use->input, d);
        if (ok && s->is_tracker && fr_position_update(&vehicle->position, d, now_ms, v->live_ms))
            s->todo |= FR_TODO_PUBLISH;
    }
    return ok;
}

/*
 * Receive {"status":"CONNECTED",…}. A connectivity record is about one connection of the vehicle, a
 * presence record about the vehicle; connectivity is ignored after the first presence record.
 */
static bool vehicles_receive_presence(struct fr_vehicles *v, struct fr_ha_vehicle *vehicle,
                                      const struct fr_delivery *d)
{
    bool is_presence = strcmp(d->record_type, "presence") == 0;
    json_t *root = json_loadb((const char *)d->bytes, d->len, JSON_ALLOW_NUL, NULL);
    const char *status = json_string_value(json_object_get(root, "status"));
    bool known = status != NULL, ok = true;
    struct fr_delivery connected = *d;

    connected.kind = FR_DELIVERY_FIELD;
    connected.unit = "";
    connected.value = (struct fr_value){.kind = FR_VALUE_BOOL,
                                        .boolean = known && strcmp(status, "CONNECTED") == 0};
    json_decref(root);
    if (!known || (vehicle->has_presence && !is_presence))
        return true;
    vehicle->has_presence = vehicle->has_presence || is_presence;
    for (const struct fr_field_use *use = fr_field_index_find(v->fields, PRESENCE);
         use != NULL && ok; use = fr_field_use_next(use)) {
        struct fr_entity_state *s = vehicles_ensure_state(vehicle, use->entity, NULL);

        ok = s != NULL && fr_entity_state_receive(s, use->input, &connected);
    }
    return ok;
}

bool fr_vehicles_add_events(struct fr_vehicles *v, struct fr_ha_vehicle *vehicle)
{
    bool ok = true;

    for (const struct fr_field_use *use = fr_field_index_find(v->fields, ALERTS); use != NULL && ok;
         use = fr_field_use_next(use))
        ok = vehicles_ensure_state(vehicle, use->entity, NULL) != NULL;
    return ok;
}

struct fr_ha_vehicle *fr_vehicles_receive(struct fr_vehicles *v, const struct fr_delivery *d,
                                          int64_t now_ms)
{
    struct fr_ha_vehicle *vehicle = vehicles_ensure_vehicle(v, d);
    bool ok = vehicle != NULL && vehicles_update_name(vehicle, d);

    if (ok && d->kind == FR_DELIVERY_FIELD)
        ok = vehicles_receive_field(v, vehicle, d, now_ms);
    else if (ok && (strcmp(d->record_type, "presence") == 0 ||
                    strcmp(d->record_type, "connectivity") == 0))
        ok = vehicles_receive_presence(v, vehicle, d);
    return ok ? vehicle : NULL;
}
