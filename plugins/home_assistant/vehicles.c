/* Vehicles and their entities: from a delivery to what has changed. */
#include "home_assistant/vehicles.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "home_assistant/state_text.h"
#include "safe_name.h"
#include "utf8.h"

#define BUCKETS 4096
#define NAME_BUCKETS 1024
#define PRESENCE "presence"
#define METRES_PER_DEGREE 111194.9
#define HEADING_MAX 360
#define ACCURACY_MAX_M 1e6
#define SPEED_MAX_MS 1000

/* Which entities a field has a part in. */
struct use {
    struct use *next; /* in the bucket */
    const char *field;
    const struct fr_entity *entity;
    size_t input;
};

/* An entity for a field that the catalogue does not know. */
struct made {
    struct made *next;
    struct fr_entity entity;
    char *field;
};

struct fr_vehicles {
    struct use *uses[NAME_BUCKETS];
    struct made *made;
    size_t made_count;
    struct fr_ha_vehicle *buckets[BUCKETS], *first, *last;
    size_t count;
    int64_t live_ms;
};

static size_t hash(const char *text)
{
    size_t h = 5381;

    for (; *text != '\0'; text++)
        h = h * 33 + (unsigned char)*text;
    return h;
}

/* ---- the catalogue by field ------------------------------------------------------ */

static bool add_use(struct fr_vehicles *v, const struct fr_entity *entity, size_t input)
{
    struct use *use = calloc(1, sizeof *use), **at;

    if (use == NULL)
        return false;
    use->field = entity->from.word[input];
    use->entity = entity;
    use->input = input;
    at = &v->uses[hash(use->field) % NAME_BUCKETS];
    while (*at != NULL) /* the catalogue's order is kept */
        at = &(*at)->next;
    *at = use;
    return true;
}

static struct use *next_use(struct use *use, const char *field)
{
    while (use != NULL && strcmp(use->field, field) != 0)
        use = use->next;
    return use;
}

static struct use *first_use(const struct fr_vehicles *v, const char *field)
{
    return next_use(v->uses[hash(field) % NAME_BUCKETS], field);
}

struct fr_vehicles *fr_vehicles_new(const struct fr_entities *entities, int64_t live_ms)
{
    struct fr_vehicles *v = calloc(1, sizeof *v);
    bool ok = v != NULL;

    for (size_t i = 0; ok && i < fr_entities_count(entities); i++) {
        const struct fr_entity *entity = fr_entities_get(entities, i);

        for (size_t k = 0; ok && k < entity->from.count; k++)
            ok = add_use(v, entity, k);
    }
    if (v != NULL)
        v->live_ms = live_ms;
    if (ok)
        return v;
    fr_vehicles_free(v, NULL);
    return NULL;
}

/* A field newer than the catalogue still becomes an entity. */
static struct use *make_use(struct fr_vehicles *v, const struct fr_delivery *d)
{
    struct made *made = v->made_count < FR_UNKNOWN_FIELDS_MAX ? calloc(1, sizeof *made) : NULL;

    if (made == NULL)
        return NULL;
    v->made_count++;
    made->next = v->made;
    v->made = made;
    made->field = strdup(d->field_name);
    made->entity = (struct fr_entity){
        .name = made->field,
        .platform = d->value.kind == FR_VALUE_BOOL ? FR_PLATFORM_BINARY_SENSOR : FR_PLATFORM_SENSOR,
        .from = {&made->field, 1},
        .precision = -1,
    };
    if (made->field == NULL || !add_use(v, &made->entity, 0))
        return NULL;
    fr_entity_slug(made->field, made->entity.id, sizeof made->entity.id);
    return first_use(v, made->field);
}

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

static char *name_of(const struct fr_delivery *d)
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
    struct fr_ha_vehicle *found = v->buckets[hash(vin) % BUCKETS];

    while (found != NULL && strcmp(found->vin, vin) != 0)
        found = found->next_in_bucket;
    return found;
}

/* Find it, or make it. */
static struct fr_ha_vehicle *find_vehicle(struct fr_vehicles *v, const struct fr_delivery *d)
{
    struct fr_ha_vehicle **bucket = &v->buckets[hash(d->vin) % BUCKETS];
    struct fr_ha_vehicle *found = fr_vehicles_find(v, d->vin);
    size_t size = strlen(d->vin) + 1;

    if (found != NULL || v->count == FR_VEHICLES_MAX)
        return found;
    found = calloc(1, sizeof *found + size);
    if (found == NULL || (found->name = name_of(d)) == NULL) {
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

/* A reload may have given the vehicle a name, or another one. */
static bool follow_name(struct fr_ha_vehicle *vehicle, const struct fr_delivery *d)
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

static void free_state(struct fr_entity_state *s)
{
    for (size_t i = 0; i < s->entity->from.count; i++)
        free(s->inputs[i].text);
    free(s->id);
    free(s->name);
    free(s->unit);
    free(s->text);
    free(s->unlisted);
    free(s);
}

static void free_vehicle(struct fr_ha_vehicle *vehicle, void (*free_own)(void *own))
{
    while (vehicle->states != NULL) {
        struct fr_entity_state *next = vehicle->states->next;

        free_state(vehicle->states);
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

        free_vehicle(v->first, free_own);
        v->first = next;
    }
    for (size_t i = 0; i < NAME_BUCKETS; i++)
        for (struct use *use = v->uses[i], *next; use != NULL; use = next) {
            next = use->next;
            free(use);
        }
    while (v->made != NULL) {
        struct made *next = v->made->next;

        free(v->made->field);
        free(v->made);
        v->made = next;
    }
    free(v);
}

/* ---- entities -------------------------------------------------------------------- */

static bool replace(char **text, const char *by)
{
    char *copy = by != NULL ? strdup(by) : NULL;

    if (by != NULL && copy == NULL)
        return false;
    free(*text);
    *text = copy;
    return true;
}

static bool same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static struct fr_entity_state *find_state(struct fr_ha_vehicle *vehicle,
                                          const struct fr_entity *entity, const char *as)
{
    struct fr_entity_state *s;
    char id[FR_ENTITY_ID_SIZE];

    fr_entity_slug(as != NULL ? as : "", id, sizeof id);
    for (s = vehicle->states; s != NULL; s = s->next)
        if (s->entity == entity && strcmp(s->id, id[0] != '\0' ? id : entity->id) == 0)
            return s;
    s = calloc(1, sizeof *s + entity->from.count * sizeof *s->inputs);
    if (s == NULL)
        return NULL;
    s->entity = entity;
    s->id = strdup(id[0] != '\0' ? id : entity->id);
    s->name = strdup(id[0] != '\0' ? as : entity->name);
    s->todo = FR_TODO_ANNOUNCE | FR_TODO_TELL;
    s->is_tracker = entity->platform == FR_PLATFORM_DEVICE_TRACKER &&
                    strcmp(entity->from.word[0], "Location") == 0;
    if (s->id == NULL || s->name == NULL) {
        free_state(s);
        return NULL;
    }
    if (vehicle->last_state != NULL)
        vehicle->last_state->next = s;
    else
        vehicle->states = s;
    vehicle->last_state = s;
    return s;
}

/* The input whose value is the entity's, or NULL where none has ever come. */
static const struct fr_entity_input *chosen(const struct fr_entity_state *s)
{
    const struct fr_entity_input *best = NULL;

    for (size_t i = 0; i < s->entity->from.count; i++) {
        const struct fr_entity_input *input = &s->inputs[i];

        if (!input->seen)
            continue;
        if (best == NULL ||
            (s->entity->gather == FR_GATHER_MOST && input->has_value &&
             (!best->has_value || input->number > best->number)) ||
            (s->entity->gather == FR_GATHER_ANY && same(input->text, "on")) ||
            (s->entity->gather != FR_GATHER_MOST && !best->has_value && input->has_value))
            best = input;
    }
    return best;
}

static bool set_state(struct fr_entity_state *s)
{
    const struct fr_entity_input *input = chosen(s);
    const char *text = input != NULL ? input->text : NULL;

    if (input != NULL && !input->has_value) {
        if (s->entity->when_invalid == FR_INVALID_KEEP && s->text != NULL)
            return true;
        text = s->entity->when_invalid == FR_INVALID_STATE ? s->entity->invalid_state : NULL;
    }
    if (same(text, s->text))
        return true;
    s->todo |= FR_TODO_TELL;
    return replace(&s->text, text);
}

/* The unit of an entity, as Home Assistant calls it; NULL: none, as for what is no number. */
static const char *unit_of(const struct fr_entity *entity, const char *unit)
{
    if (entity->platform != FR_PLATFORM_SENSOR ||
        (entity->device_class != NULL && strcmp(entity->device_class, "timestamp") == 0))
        return NULL;
    if (unit[0] == '\0')
        return entity->unit;
    return strcmp(unit, "mi/h") == 0 ? "mph" : unit;
}

/* Whether it is a location on Earth; false for NaN, too. */
static bool is_place(const struct fr_delivery *d)
{
    return d->value.kind == FR_VALUE_LOCATION && fabs(d->value.location.latitude) <= 90 &&
           fabs(d->value.location.longitude) <= 180;
}

static bool put_input(struct fr_entity_state *s, size_t place, const struct fr_delivery *d)
{
    struct fr_entity_input *input = &s->inputs[place];
    int64_t created = d->created_ms != 0 ? d->created_ms : d->received_ms;
    const char *unit = unit_of(s->entity, d->unit);
    struct fr_state_text state;

    if (input->seen && created < input->created_ms)
        return true;
    fr_state_text(s->entity, d, &state);
    input->seen = true;
    input->created_ms = created;
    input->has_value = state.has_value;
    input->number = state.number;
    if (state.has_value)
        s->is_number = state.is_number;
    if (!same(unit, s->unit)) {
        s->todo |= FR_TODO_ANNOUNCE | FR_TODO_TELL;
        if (!replace(&s->unit, unit))
            return false;
    }
    if (state.unlisted && !same(s->unlisted, state.text)) {
        s->todo |= FR_TODO_ANNOUNCE | FR_TODO_TELL;
        if (!replace(&s->unlisted, state.text))
            return false;
    }
    if (is_place(d)) {
        s->latitude = d->value.location.latitude;
        s->longitude = d->value.location.longitude;
        s->has_place = true;
    } else
        s->has_place = false;
    return replace(&input->text, state.has_value ? state.text : NULL) && set_state(s);
}

/* ---- where it is ----------------------------------------------------------------- */

bool fr_same_place(double latitude, double longitude, double other_latitude, double other_longitude)
{
    double north = (latitude - other_latitude) * METRES_PER_DEGREE;
    double east =
        (longitude - other_longitude) * METRES_PER_DEGREE * cos(latitude / 57.29577951308232);

    return north * north + east * east < 1;
}

static bool take_position(struct fr_vehicles *v, struct fr_ha_vehicle *vehicle,
                          const struct fr_delivery *d, int64_t now_ms)
{
    struct fr_position *p = &vehicle->position;
    int64_t created = d->created_ms != 0 ? d->created_ms : d->received_ms;

    if (!is_place(d) || (p->known && created < p->created_ms))
        return false;
    *p = (struct fr_position){
        .known = true,
        .latitude = d->value.location.latitude,
        .longitude = d->value.location.longitude,
        .created_ms = created,
        .live =
            !(d->marks & (FR_MARK_RESTORED | FR_MARK_REPEATED)) && now_ms - created <= v->live_ms,
    };
    return true;
}

/* A number from 0 to `max`, else -1. */
static double within(double number, double max)
{
    return number >= 0 && number <= max ? number : -1;
}

/* What goes with a position. */
static void take_company(struct fr_ha_vehicle *vehicle, const struct fr_delivery *d)
{
    double real = d->value.kind == FR_VALUE_REAL  ? d->value.real
                  : d->value.kind == FR_VALUE_INT ? (double)d->value.integer
                                                  : -1;

    if (strcmp(d->field_name, "GpsHeading") == 0)
        vehicle->heading = within(real, HEADING_MAX);
    else if (strcmp(d->field_name, "GpsAccuracyMeters") == 0)
        vehicle->accuracy = within(real, ACCURACY_MAX_M);
    else if (strcmp(d->field_name, "VehicleSpeed") == 0)
        vehicle->speed_ms = within(strcmp(d->unit, "km/h") == 0  ? real / 3.6
                                   : strcmp(d->unit, "mph") == 0 ? real * 0.44704
                                                                 : real,
                                   SPEED_MAX_MS);
    else if (strcmp(d->field_name, "Version") == 0 && d->value.kind == FR_VALUE_TEXT)
        snprintf(
            vehicle->version, sizeof vehicle->version, "%.*s",
            (int)fr_utf8_cut(d->value.text.bytes, d->value.text.len, sizeof vehicle->version - 1),
            d->value.text.bytes);
}

/* ---- deliveries ------------------------------------------------------------------ */

static bool take_field(struct fr_vehicles *v, struct fr_ha_vehicle *vehicle,
                       const struct fr_delivery *d, int64_t now_ms, bool *position)
{
    struct use *use = first_use(v, d->field_name);
    bool renamed = strcmp(d->name, d->field_name) != 0, ok = true;

    if (use == NULL && (use = make_use(v, d)) == NULL)
        return false;
    take_company(vehicle, d);
    for (; use != NULL && ok; use = next_use(use->next, d->field_name)) {
        struct fr_entity_state *s =
            find_state(vehicle, use->entity, renamed && !use->entity->derived ? d->name : NULL);

        ok = s != NULL && put_input(s, use->input, d);
        if (ok && s->is_tracker && take_position(v, vehicle, d, now_ms)) {
            s->todo |= FR_TODO_TELL;
            *position = true;
        }
    }
    return ok;
}

/* {"status":"CONNECTED",…}: what says so of one connection counts only until we are told of the
 * vehicle as a whole. */
static bool take_presence(struct fr_vehicles *v, struct fr_ha_vehicle *vehicle,
                          const struct fr_delivery *d)
{
    bool whole = strcmp(d->record_type, "presence") == 0;
    json_t *root = json_loadb((const char *)d->bytes, d->len, 0, NULL);
    const char *status = json_string_value(json_object_get(root, "status"));
    bool known = status != NULL, ok = true;
    struct fr_delivery said = *d;

    said.kind = FR_DELIVERY_FIELD;
    said.unit = "";
    said.value = (struct fr_value){.kind = FR_VALUE_BOOL,
                                   .boolean = known && strcmp(status, "CONNECTED") == 0};
    json_decref(root);
    if (!known || (vehicle->has_presence && !whole))
        return true;
    vehicle->has_presence = vehicle->has_presence || whole;
    for (struct use *use = first_use(v, PRESENCE); use != NULL && ok;
         use = next_use(use->next, PRESENCE)) {
        struct fr_entity_state *s = find_state(vehicle, use->entity, NULL);

        ok = s != NULL && put_input(s, use->input, &said);
    }
    return ok;
}

struct fr_ha_vehicle *fr_vehicles_take(struct fr_vehicles *v, const struct fr_delivery *d,
                                       int64_t now_ms, bool *position)
{
    struct fr_ha_vehicle *vehicle = find_vehicle(v, d);
    bool ok = vehicle != NULL && follow_name(vehicle, d);

    *position = false;
    if (ok && d->kind == FR_DELIVERY_FIELD)
        ok = take_field(v, vehicle, d, now_ms, position);
    else if (ok && (strcmp(d->record_type, "presence") == 0 ||
                    strcmp(d->record_type, "connectivity") == 0))
        ok = take_presence(v, vehicle, d);
    return ok ? vehicle : NULL;
}
