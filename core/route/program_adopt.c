#include "route/program_adopt.h"

#include <stdlib.h>
#include <string.h>

#include "config/field_route.h"
#include "record/field_catalogue.h"
#include "route/program_compile.h"
#include "route/program_values.h"
#include "route/program_vehicles.h"
#include "util/memory.h"

#define NO_ROUTE UINT32_MAX

struct adoption {
    struct fr_program *program, *older;
    uint32_t *route; /* by route index of the older program: index in the new one, or NO_ROUTE */
    struct program_vehicle **vehicle; /* by id */
};

/* Whether one of the first `before` routes of the older program is matched with `route`. */
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
                fr_field_route_equal(a->older->field_routes[i], a->program->field_routes[k]))
                a->route[i] = k;
    }
}

/* Emit the value that waits, unless the filters skip it, and store it as the last value in any case:
 * a route that replaces this one begins with the newest value. */
static void adopt_emit_slot(const struct adoption *a, struct fr_throttle_slot *slot,
                            const struct fr_program_time *time, fr_emit_fn *emit, void *ctx)
{
    struct fr_value newest;
    int64_t measured_ns;

    if (slot->waiting == NULL)
        return;
    newest = fr_throttle_compact_value(&slot->waiting_datum.value);
    measured_ns = fr_record_time_ns(slot->waiting);
    fr_program_emit_waiting(a->older, slot, time, time->wall_ms, emit, ctx);
    fr_throttle_set_last(slot, &newest, measured_ns);
}

/* Must come before the vehicles move: the values need those of the older program. */
static void adopt_emit_removed(const struct adoption *a, const struct fr_program_time *time,
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
    struct fr_program *program = a->program;

    fr_program_vehicles_move(program, a->older);
    a->vehicle = fr_calloc(program->vehicle_count, sizeof(struct program_vehicle *));
    for (size_t i = 0; i < program->vehicle_buckets; i++)
        for (struct program_vehicle *v = program->vehicles[i]; v != NULL; v = v->next)
            a->vehicle[v->id] = v;
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

/* Copy a slot of a matched route. The table has capacity for all: the older one had them. */
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
    slot->waiting_datum = older->waiting_datum;
    slot->waiting_flags = older->waiting_flags;
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

/* Copy the last value of a removed route to the new routes of the same field and unit. The newest
 * of several is used; of several from the same time, that of the last route. */
static void adopt_last(void *ctx, struct fr_throttle_slot *older)
{
    struct adoption *a = ctx;
    uint32_t field = fr_throttle_field(older), route = fr_throttle_route(older);
    const struct program_step *from = fr_program_step_of_route(a->older, route, field);

    if (a->route[route] != NO_ROUTE || from == NULL || !older->has_last)
        return;
    for (const struct program_step *step = fr_program_steps(a->program, field); step != NULL;
         step = step->next) {
        struct fr_throttle_slot *slot;

        if (!step->has_state || strcmp(step->unit, from->unit) != 0 ||
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

/* Whether an edge_only route of the new program has a field for which the older one had no state. */
static bool adopt_lacks_edges(const struct adoption *a)
{
    for (uint32_t field = 0; field < fr_field_count(); field++)
        for (const struct program_step *step = a->program->steps[field]; step != NULL;
             step = step->next) {
            const struct program_step *from = a->older->steps[field];

            while (from != NULL && (!from->has_state || strcmp(step->unit, from->unit) != 0))
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
    program->watch_ctx = older->watch_ctx;
    adopt_match_routes(&a);
    adopt_emit_removed(&a, time, emit, ctx);
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
