#include "route/program_windows.h"

#include "route/program_slots.h"
#include "route/program_values.h"
#include "route/program_vehicles.h"

void fr_program_close_windows(struct fr_program *program, const struct fr_program_time *time,
                              size_t max, fr_emit_fn *emit, void *ctx)
{
    struct fr_throttle_slot *slot;
    uint32_t route;

    while (max-- != 0 &&
           (slot = fr_windows_close_next(program->windows, time->now_ms, &route)) != NULL)
        fr_program_emit_waiting(program, slot, time,
                                time->wall_ms - (time->now_ms - slot->closes_ms), emit, ctx);
}

/* Windows without a waiting value stay as they are. The others begin again at now_ms: they close
 * last, so they go to the end of the queue of the route. */
static void program_windows_flush_route(struct fr_program *program, uint32_t route,
                                        const struct fr_program_time *time, fr_emit_fn *emit,
                                        void *ctx)
{
    struct fr_throttle_slot *slot = fr_windows_close_route(program->windows, route), *next;
    struct fr_throttle_slot *waiting = NULL, **end = &waiting;

    for (; slot != NULL; slot = next) {
        next = slot->next_open;
        if (slot->waiting == NULL) {
            fr_windows_open(program->windows, route, slot, slot->closes_ms);
            continue;
        }
        *end = slot;
        end = &slot->next_open;
    }
    *end = NULL;
    for (; waiting != NULL; waiting = next) {
        next = waiting->next_open;
        fr_program_emit_waiting(program, waiting, time, time->wall_ms, emit, ctx);
    }
}

void fr_program_flush(struct fr_program *program, const struct fr_program_time *time,
                      fr_emit_fn *emit, void *ctx)
{
    for (uint32_t route = 0; route < program->field_route_count; route++)
        program_windows_flush_route(program, route, time, emit, ctx);
}

static void program_windows_forget_slot(void *ctx, struct fr_throttle_slot *slot)
{
    struct fr_program *program = ctx;

    if (slot->waiting != NULL)
        fr_program_set_waiting(program, fr_program_vehicle(program, slot->waiting->vin), slot, NULL,
                               NULL);
    if (!program->field_routes[fr_throttle_route(slot)]->edge_only)
        slot->has_last = false;
}

void fr_program_forget(struct fr_program *program)
{
    for (uint32_t route = 0; route < program->field_route_count; route++)
        fr_windows_close_route(program->windows, route);
    fr_throttle_each(program->throttle, program_windows_forget_slot, program);
}

int64_t fr_program_next_close(const struct fr_program *program)
{
    return fr_windows_next_close(program->windows);
}
