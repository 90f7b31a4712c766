#include "route/program.h"

#include <stdlib.h>
#include <string.h>

#include "config/field_route.h"
#include "route/program_age.h"
#include "route/program_compile.h"
#include "route/program_slots.h"
#include "route/program_values.h"
#include "route/program_vehicles.h"
#include "util/memory.h"

struct fr_program *fr_program_new(struct fr_routing *routing, size_t sink, enum fr_format format)
{
    struct fr_program *program = fr_calloc(1, sizeof *program);

    program->routing = fr_routing_ref(routing);
    program->format = format;
    fr_program_compile(program, sink);
    program->windows = fr_windows_new(program->field_route_count);
    program->slots_per_vehicle = fr_program_slots_per_vehicle(program);
    program->throttle = fr_throttle_new();
    fr_program_vehicles_init(program);
    return program;
}

void fr_program_free(struct fr_program *program)
{
    if (program == NULL)
        return;
    fr_program_vehicles_free(program);
    fr_throttle_free(program->throttle);
    fr_windows_free(program->windows);
    fr_program_compile_free(program);
    fr_routing_unref(program->routing);
    free(program);
}

bool fr_program_has_state(const struct fr_program *program)
{
    for (size_t i = 0; i < program->field_route_count; i++)
        if (fr_field_route_has_state(program->field_routes[i]))
            return true;
    return false;
}

void fr_program_watch(struct fr_program *program, void (*acquire)(void *ctx, void *origin),
                      void (*release)(void *ctx, void *origin), void *ctx)
{
    program->acquire = acquire;
    program->release = release;
    program->watch_ctx = ctx;
}

struct fr_routing *fr_program_routing(const struct fr_program *program)
{
    return program->routing;
}

static bool program_route_matches(const struct fr_record_route *route, enum fr_record_type type,
                                  const char *topic)
{
    if (route->all || route->types & 1u << type)
        return true;
    for (size_t i = 0; i < route->topic_count; i++)
        if (type == FR_RECORD_OTHER && strcmp(route->topics[i], topic) == 0)
            return true;
    return false;
}

bool fr_program_wants(const struct fr_program *program, enum fr_record_type type, const char *topic)
{
    if (type == FR_RECORD_V && program->field_route_count != 0)
        return true;
    for (size_t i = 0; i < program->record_route_count; i++)
        if (program_route_matches(program->record_routes[i], type, topic))
            return true;
    return false;
}

static void program_run_records(const struct program_run *run)
{
    const struct fr_program *program = run->program;

    for (size_t i = 0; i < program->record_route_count; i++) {
        const struct fr_record_route *route = program->record_routes[i];
        struct fr_emission emission = {
            .kind = FR_DELIVERY_RECORD,
            .record = run->record,
            .origin = run->origin,
            .vehicle_name = run->vehicle != NULL ? run->vehicle->name : NULL,
            .flags = run->flags,
            .format = route->format != FR_FORMAT_DEFAULT ? route->format : program->format,
            .name = route->as,
            .due_ms = run->due_ms,
            .expires_ms = fr_program_expiry(run, route->max_age_ms),
        };

        if (program_route_matches(route, run->record->type, run->record->topic) &&
            !fr_program_too_old(run, route->max_age_ms))
            run->emit(run->ctx, &emission);
    }
}

static uint32_t program_flags(const struct fr_record *record)
{
    return (record->resend ? (uint32_t)FR_FLAG_RESEND : 0) |
           (record->restored ? (uint32_t)FR_FLAG_RESTORED : 0) |
           (record->repeated ? (uint32_t)FR_FLAG_REPEATED : 0);
}

/* FR_FLAG_LATE if a newer V record of the vehicle was seen. A record without a creation time is
 * neither late nor the newest. */
static uint32_t program_mark_late(struct program_vehicle *vehicle, const struct fr_record *record)
{
    if (vehicle == NULL || record->type != FR_RECORD_V || record->created_ns == 0)
        return 0;
    if (record->created_ns < vehicle->newest_ns)
        return record->restored ? 0u : (uint32_t)FR_FLAG_LATE;
    vehicle->newest_ns = record->created_ns;
    return 0;
}

void fr_program_run(struct fr_program *program, struct fr_record *record, void *origin,
                    const struct fr_program_time *time, fr_emit_fn *emit, void *ctx)
{
    struct program_run run = {
        .program = program,
        .record = record,
        .origin = origin,
        .vehicle = fr_program_vehicle(program, record->vin),
        .flags = program_flags(record),
        .now_ms = time->now_ms,
        .wall_ms = time->wall_ms,
        .due_ms = record->received_ms,
        .age_ms = fr_program_age(record, time->wall_ms),
        .emit = emit,
        .ctx = ctx,
    };

    run.flags |= program_mark_late(run.vehicle, record);
    /* A restored V record only carries last values; record routes skip it. */
    if (emit != NULL && (!record->restored || record->type != FR_RECORD_V))
        program_run_records(&run);
    if (program->field_route_count != 0 && record->type == FR_RECORD_V)
        fr_program_run_fields(&run);
}

struct fr_program_counts fr_program_counts(const struct fr_program *program)
{
    return program->counts;
}
