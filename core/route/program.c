#include "route/program.h"

#include <stdlib.h>
#include <string.h>

#include "record/field_catalogue.h"
#include "route/program_state.h"
#include "util/hash.h"
#include "util/memory.h"

/* Vehicles with state; values of those that come after are not marked late, and have no slots. */
#define VEHICLES_MAX (1u << 20)

/* ---- vehicles -------------------------------------------------------------------- */

static void program_grow_vehicles(struct fr_program *program)
{
    size_t count = program->vehicle_buckets * 2;
    struct vehicle **buckets = fr_calloc(count, sizeof(struct vehicle *));

    for (size_t i = 0; i < program->vehicle_buckets; i++)
        for (struct vehicle *v = program->vehicles[i], *next; v != NULL; v = next) {
            next = v->next;
            v->next = buckets[v->hash & (count - 1)];
            buckets[v->hash & (count - 1)] = v;
        }
    free(program->vehicles);
    program->vehicles = buckets;
    program->vehicle_buckets = count;
}

struct vehicle *fr_program_vehicle(struct fr_program *program, const char *vin)
{
    uint64_t hash = fr_hash_text(vin, 0);
    struct vehicle *v = program->vehicles[hash & (program->vehicle_buckets - 1)];
    size_t size;

    for (; v != NULL; v = v->next)
        if (v->hash == hash && strcmp(v->vin, vin) == 0)
            return v;
    if (program->vehicle_count >= VEHICLES_MAX)
        return NULL;
    if (program->vehicle_count >= program->vehicle_buckets)
        program_grow_vehicles(program);
    size = strlen(vin) + 1;
    v = fr_calloc(1, sizeof *v + size);
    memcpy(v->vin, vin, size);
    v->hash = hash;
    v->id = program->vehicle_count++;
    v->name = fr_program_vehicle_name(program->routing, vin);
    v->next = program->vehicles[hash & (program->vehicle_buckets - 1)];
    program->vehicles[hash & (program->vehicle_buckets - 1)] = v;
    return v;
}

/* ---- running --------------------------------------------------------------------- */

int64_t fr_program_age(const struct fr_record *record, int64_t wall_ms)
{
    int64_t measured_ms = fr_record_time_ns(record) / 1000000;

    return wall_ms - (measured_ms < record->received_ms ? measured_ms : record->received_ms);
}

bool fr_program_too_old(const struct run *run, int64_t max_age_ms)
{
    if (max_age_ms == 0 || run->age_ms <= max_age_ms)
        return false;
    run->program->counts.too_old++;
    return true;
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

static void program_run_records(const struct run *run)
{
    const struct fr_program *program = run->program;

    for (size_t i = 0; i < program->record_route_count; i++) {
        const struct fr_record_route *route = program->record_routes[i];
        struct fr_emission emission = {
            .kind = FR_DELIVERY_RECORD,
            .record = run->record,
            .origin = run->origin,
            .vehicle_name = run->vehicle != NULL ? run->vehicle->name : NULL,
            .marks = run->marks,
            .format = route->format != FR_FORMAT_DEFAULT ? route->format : program->format,
            .name = route->as,
            .due_ms = run->due_ms,
            .expires_ms =
                route->max_age_ms == 0 ? INT64_MAX : run->wall_ms - run->age_ms + route->max_age_ms,
        };

        if (program_route_matches(route, run->record->type, run->record->topic) &&
            !fr_program_too_old(run, route->max_age_ms))
            run->emit(run->ctx, &emission);
    }
}

static uint32_t program_marks(const struct fr_record *record)
{
    return (record->resend ? (uint32_t)FR_MARK_RESEND : 0) |
           (record->restored ? (uint32_t)FR_MARK_RESTORED : 0) |
           (record->repeated ? (uint32_t)FR_MARK_REPEATED : 0);
}

/* A record without a creation time is neither late nor newer than another. */
static uint32_t program_mark_late(struct vehicle *vehicle, const struct fr_record *record)
{
    if (vehicle == NULL || record->type != FR_RECORD_V || record->created_ns == 0)
        return 0;
    if (record->created_ns < vehicle->newest_ns)
        return record->restored ? 0u : (uint32_t)FR_MARK_LATE;
    vehicle->newest_ns = record->created_ns;
    return 0;
}

void fr_program_run(struct fr_program *program, struct fr_record *record, void *origin,
                    const struct fr_program_time *time, fr_emit_fn *emit, void *ctx)
{
    struct run run = {
        .program = program,
        .record = record,
        .origin = origin,
        .vehicle = fr_program_vehicle(program, record->vin),
        .marks = program_marks(record),
        .now_ms = time->now_ms,
        .wall_ms = time->wall_ms,
        .due_ms = record->received_ms,
        .age_ms = fr_program_age(record, time->wall_ms),
        .emit = emit,
        .ctx = ctx,
    };

    run.marks |= program_mark_late(run.vehicle, record);
    if (emit != NULL && (!record->restored || record->type != FR_RECORD_V))
        program_run_records(&run); /* a restored last value is no record of its own */
    if (program->field_route_count != 0 && record->type == FR_RECORD_V)
        fr_program_run_fields(&run);
}

struct fr_program_counts fr_program_counts(const struct fr_program *program)
{
    return program->counts;
}
