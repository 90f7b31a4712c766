/* The state that a program takes over from the one before it when the routing has changed. */
#include <stdlib.h>
#include <string.h>

#include "record/field_catalogue.h"
#include "route/program_state.h"
#include "util/memory.h"

const char *fr_program_vehicle_name(const struct fr_routing *routing, const char *vin)
{
    for (size_t i = 0; i < routing->vehicle_count; i++)
        if (strcmp(routing->vehicles[i].vin, vin) == 0)
            return routing->vehicles[i].name;
    return NULL;
}

static bool adopt_same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Whether two routes treat their fields alike; where else they lead does not matter. */
static bool adopt_same_route(const struct fr_field_route *a, const struct fr_field_route *b)
{
    return a->all == b->all && a->field_count == b->field_count &&
           (a->field_count == 0 ||
            memcmp(a->fields, b->fields, a->field_count * sizeof *a->fields) == 0) &&
           a->every_ms == b->every_ms && !(a->min_change < b->min_change) &&
           !(a->min_change > b->min_change) && adopt_same_text(a->unit, b->unit) &&
           adopt_same_text(a->as, b->as) && a->max_age_ms == b->max_age_ms &&
           a->edge_only == b->edge_only;
}

struct adoption {
    struct fr_program *program, *older;
    uint32_t *route;          /* of the older program's routes: in the new one; NO_ROUTE: gone */
    struct vehicle **vehicle; /* by id */
};

#define NO_ROUTE UINT32_MAX

/* Whether a route of the new program already takes over another route's state. */
static bool adopt_is_matched(const struct adoption *a, size_t before, uint32_t route)
{
    for (size_t i = 0; i < before; i++)
        if (a->route[i] == route)
            return true;
    return false;
}

static void adopt_match_routes(struct adoption *a)
{
    for (uint32_t i = 0; i < a->older->field_route_count; i++) {
        a->route[i] = NO_ROUTE;
        for (uint32_t k = 0; k < a->program->field_route_count && a->route[i] == NO_ROUTE; k++)
            if (!adopt_is_matched(a, i, k) &&
                adopt_same_route(a->older->field_routes[i], a->program->field_routes[k]))
                a->route[i] = k;
    }
}

/* Emit what waits, if it still may be, and have it as the last value in any case: a route that takes
 * this one's place must know the newest value. */
static void adopt_emit_slot(const struct adoption *a, struct fr_throttle_slot *slot,
                            const struct fr_program_time *time, fr_emit_fn *emit, void *ctx)
{
    struct fr_value kept;
    int64_t measured_ns;

    if (slot->waiting == NULL)
        return;
    kept = fr_throttle_kept(&slot->waiting_value);
    measured_ns = fr_record_time_ns(slot->waiting);
    fr_program_emit_waiting(a->older, slot, time, time->wall_ms, emit, ctx);
    fr_throttle_keep_last(slot, &kept, measured_ns);
}

/* The older program still has its vehicles, which the values need. */
static void adopt_emit_gone(const struct adoption *a, const struct fr_program_time *time,
                            fr_emit_fn *emit, void *ctx)
{
    for (uint32_t i = 0; i < a->older->field_route_count; i++) {
        struct fr_throttle_slot *slot, *next;

        if (a->route[i] != NO_ROUTE)
            continue;
        for (slot = fr_windows_close_route(a->older->windows, i); slot != NULL; slot = next) {
            next = slot->next_open;
            adopt_emit_slot(a, slot, time, emit, ctx);
        }
    }
}

static void adopt_vehicles(struct adoption *a)
{
    struct fr_program *program = a->program, *older = a->older;
    struct vehicle **buckets = program->vehicles;
    size_t count = program->vehicle_buckets;

    program->vehicles = older->vehicles;
    program->vehicle_buckets = older->vehicle_buckets;
    program->vehicle_count = older->vehicle_count;
    older->vehicles = buckets;
    older->vehicle_buckets = count;
    older->vehicle_count = 0;
    a->vehicle = fr_calloc(program->vehicle_count, sizeof(struct vehicle *));
    for (size_t i = 0; i < program->vehicle_buckets; i++)
        for (struct vehicle *v = program->vehicles[i]; v != NULL; v = v->next) {
            v->name = fr_program_vehicle_name(program->routing, v->vin);
            v->slots = 0;
            a->vehicle[v->id] = v;
        }
}

static struct fr_throttle_slot *adopt_slot_for(const struct adoption *a,
                                               const struct fr_throttle_slot *older, uint32_t route)
{
    uint64_t vehicle = older->key[0];
    uint32_t field = fr_throttle_field(older);
    struct fr_throttle_slot *slot = fr_throttle_find(a->program->throttle, vehicle, route, field);

    if (slot == NULL) {
        slot = fr_throttle_add(a->program->throttle, vehicle, route, field);
        if (slot != NULL)
            a->vehicle[vehicle]->slots++;
    }
    return slot;
}

/* There are no more such slots than the older program had, so the table has capacity for them. */
static void adopt_slot(void *ctx, struct fr_throttle_slot *older)
{
    struct adoption *a = ctx;
    uint32_t route = a->route[fr_throttle_route(older)];
    struct fr_throttle_slot *slot;

    if (route == NO_ROUTE || (slot = adopt_slot_for(a, older, route)) == NULL)
        return;
    slot->has_last = older->has_last;
    slot->last = older->last;
    slot->last_ns = older->last_ns;
    slot->waiting = older->waiting;
    slot->waiting_origin = older->waiting_origin;
    slot->waiting_value = older->waiting_value;
    slot->waiting_marks = older->waiting_marks;
    older->waiting = NULL;
}

static void adopt_windows(struct adoption *a)
{
    for (uint32_t i = 0; i < a->older->field_route_count; i++) {
        struct fr_throttle_slot *older, *next, *slot;

        if (a->route[i] == NO_ROUTE)
            continue;
        for (older = fr_windows_close_route(a->older->windows, i); older != NULL; older = next) {
            next = older->next_open;
            slot = adopt_slot_for(a, older, a->route[i]);
            if (slot != NULL)
                fr_windows_open(a->program->windows, a->route[i], slot, older->closes_ms);
        }
    }
}

/* A last value of a route that is gone, for new routes of the same field and unit: the newest, and
 * of several from the same moment that of the last route. */
static void adopt_last(void *ctx, struct fr_throttle_slot *older)
{
    struct adoption *a = ctx;
    uint32_t field = fr_throttle_field(older), route = fr_throttle_route(older);
    const struct step *from = fr_program_step_of_route(a->older, route, field);

    if (a->route[route] != NO_ROUTE || from == NULL || !older->has_last)
        return;
    for (const struct step *step = fr_program_steps(a->program, field); step != NULL;
         step = step->next) {
        struct fr_throttle_slot *slot;

        if (!fr_program_route_has_state(step->route) || strcmp(step->unit, from->unit) != 0 ||
            adopt_is_matched(a, a->older->field_route_count, step->index) ||
            (slot = adopt_slot_for(a, older, step->index)) == NULL)
            continue;
        if (slot->has_last && (older->last_ns < slot->last_ns ||
                               (older->last_ns == slot->last_ns && route < slot->last_route)))
            continue;
        slot->has_last = true;
        slot->last_route = route;
        slot->last = older->last;
        slot->last_ns = older->last_ns;
    }
}

/* Whether an edge_only route of the new program has a field that the older one had no state of. */
static bool adopt_lacks_edges(const struct adoption *a)
{
    for (uint32_t field = 0; field < fr_field_count(); field++)
        for (const struct step *step = a->program->steps[field]; step != NULL; step = step->next) {
            const struct step *from = a->older->steps[field];

            while (from != NULL && (!fr_program_route_has_state(from->route) ||
                                    strcmp(step->unit, from->unit) != 0))
                from = from->next;
            if (step->route->edge_only && from == NULL)
                return true;
        }
    return false;
}

bool fr_program_adopt(struct fr_program *program, struct fr_program *older,
                      const struct fr_program_time *time, fr_emit_fn *emit, void *ctx)
{
    struct adoption a = {.program = program,
                         .older = older,
                         .route = fr_calloc(older->field_route_count, sizeof *a.route)};
    bool complete;

    program->acquire = older->acquire;
    program->release = older->release;
    program->watcher = older->watcher;
    adopt_match_routes(&a);
    adopt_emit_gone(&a, time, emit, ctx);
    program->counts = older->counts;
    adopt_vehicles(&a);
    fr_throttle_each(older->throttle, adopt_slot, &a);
    adopt_windows(&a);
    fr_throttle_each(older->throttle, adopt_last, &a);
    complete = !adopt_lacks_edges(&a);
    free(a.route);
    free(a.vehicle);
    return complete;
}
