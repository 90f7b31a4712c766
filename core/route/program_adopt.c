/* What a program takes over from the one before it, when the routing has changed. */
#include <stdlib.h>
#include <string.h>

#include "route/program_state.h"
#include "util/memory.h"

const char *fr_program_vehicle_name(const struct fr_routing *routing, const char *vin)
{
    for (size_t i = 0; i < routing->vehicle_count; i++)
        if (strcmp(routing->vehicles[i].vin, vin) == 0)
            return routing->vehicles[i].name;
    return NULL;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Whether two routes treat their fields alike; where else they lead does not matter. */
static bool same_route(const struct fr_field_route *a, const struct fr_field_route *b)
{
    return a->all == b->all && a->field_count == b->field_count &&
           (a->field_count == 0 ||
            memcmp(a->fields, b->fields, a->field_count * sizeof *a->fields) == 0) &&
           a->every_ms == b->every_ms && !(a->min_change < b->min_change) &&
           !(a->min_change > b->min_change) && same_text(a->unit, b->unit) &&
           same_text(a->as, b->as) && a->max_age_ms == b->max_age_ms &&
           a->edge_only == b->edge_only;
}

struct adoption {
    struct fr_program *program;
    uint32_t *place; /* of each of the older one's routes; UINT32_MAX: gone */
};

static struct fr_throttle_slot *slot_for(const struct adoption *a,
                                         const struct fr_throttle_slot *older)
{
    uint32_t place = a->place[older->key[1] >> 32];

    if (place == UINT32_MAX)
        return NULL;
    return fr_throttle_slot(a->program->throttle, older->key[0], place, (uint32_t)older->key[1]);
}

static void adopt_last(void *ctx, struct fr_throttle_slot *older)
{
    struct fr_throttle_slot *slot = slot_for(ctx, older);

    if (slot == NULL)
        return;
    slot->has_last = older->has_last;
    slot->last = older->last;
}

static void adopt_vehicles(struct fr_program *program, struct fr_program *older)
{
    struct vehicle **buckets = program->vehicles;
    size_t count = program->vehicle_buckets;

    program->vehicles = older->vehicles;
    program->vehicle_buckets = older->vehicle_buckets;
    program->vehicle_count = older->vehicle_count;
    older->vehicles = buckets;
    older->vehicle_buckets = count;
    older->vehicle_count = 0;
    for (size_t i = 0; i < program->vehicle_buckets; i++)
        for (struct vehicle *v = program->vehicles[i]; v != NULL; v = v->next)
            v->name = fr_program_vehicle_name(program->routing, v->vin);
}

static void adopt_window(struct adoption *a, struct fr_program *older, uint32_t route,
                         struct fr_throttle_slot *from, int64_t closes_ms, int64_t now_ms,
                         fr_emit_fn *emit, void *ctx)
{
    struct fr_throttle_slot *slot = slot_for(a, from);

    if (slot == NULL) {
        fr_program_emit_waiting(older, from, route, now_ms, emit, ctx);
        return;
    }
    slot->waiting = from->waiting;
    slot->waiting_origin = from->waiting_origin;
    slot->waiting_value = from->waiting_value;
    slot->waiting_marks = from->waiting_marks;
    from->waiting = NULL;
    fr_throttle_open(&a->program->windows[a->place[route]], slot, closes_ms);
}

/* Two routes that are alike are matched with two. */
static bool taken(const struct adoption *a, uint32_t before, uint32_t place)
{
    for (uint32_t i = 0; i < before; i++)
        if (a->place[i] == place)
            return true;
    return false;
}

void fr_program_adopt(struct fr_program *program, struct fr_program *older, int64_t now_ms,
                      fr_emit_fn *emit, void *ctx)
{
    struct adoption a = {program, fr_calloc(older->field_route_count, sizeof *a.place)};

    program->hold = older->hold;
    program->let_go = older->let_go;
    program->watcher = older->watcher;
    program->counts = older->counts;
    for (uint32_t i = 0; i < older->field_route_count; i++) {
        a.place[i] = UINT32_MAX;
        for (uint32_t k = 0; k < program->field_route_count && a.place[i] == UINT32_MAX; k++)
            if (!taken(&a, i, k) && same_route(older->field_routes[i], program->field_routes[k]))
                a.place[i] = k;
    }
    fr_throttle_each(older->throttle, adopt_last, &a);
    for (uint32_t i = 0; i < older->field_route_count; i++) {
        struct fr_throttle_slot *slot;

        while ((slot = older->windows[i].first) != NULL) {
            int64_t closes_ms = slot->closes_ms;

            fr_throttle_close(&older->windows[i], closes_ms);
            adopt_window(&a, older, i, slot, closes_ms, now_ms, emit, ctx);
        }
    }
    adopt_vehicles(program, older);
    free(a.place);
}
