#include "route/program_slots.h"

#include "record/field_catalogue.h"

size_t fr_program_slots_per_vehicle(const struct fr_program *program)
{
    size_t count = program->field_route_count * FR_PROGRAM_UNKNOWN_FIELDS_MAX;

    for (size_t i = 0; i < fr_field_count(); i++)
        for (const struct program_step *step = program->steps[i]; step != NULL; step = step->next)
            count++;
    return count;
}

struct fr_throttle_slot *fr_program_slot(const struct program_run *run,
                                         const struct program_step *step, uint32_t field)
{
    struct fr_program *program = run->program;
    struct program_vehicle *vehicle = run->vehicle;
    struct fr_throttle_slot *slot;

    if (vehicle == NULL)
        return NULL;
    slot = fr_throttle_find(program->throttle, vehicle->id, step->index, field);
    if (slot != NULL || vehicle->slots >= program->slots_per_vehicle)
        return slot;
    slot = fr_throttle_add(program->throttle, vehicle->id, step->index, field);
    if (slot != NULL)
        vehicle->slots++;
    return slot;
}

void fr_program_set_waiting(struct fr_program *program, struct program_vehicle *vehicle,
                            struct fr_throttle_slot *slot, struct fr_record *record, void *origin)
{
    struct fr_record *before = slot->waiting;
    void *before_origin = slot->waiting_origin;

    if (record != NULL) {
        size_t bytes = fr_record_memory(record);

        vehicle->waiting_bytes += bytes;
        program->counts.waiting_bytes += bytes;
        program->counts.waiting++;
        if (program->acquire != NULL && origin != NULL)
            program->acquire(program->watch_ctx, origin);
    }
    slot->waiting = record;
    slot->waiting_origin = origin;
    if (before == NULL)
        return;
    vehicle->waiting_bytes -= fr_record_memory(before);
    program->counts.waiting_bytes -= fr_record_memory(before);
    program->counts.waiting--;
    fr_record_unref(before);
    if (program->release != NULL && before_origin != NULL)
        program->release(program->watch_ctx, before_origin);
}

static bool program_slot_may_wait(const struct program_run *run)
{
    return run->vehicle->waiting_bytes < FR_PROGRAM_WAITING_MAX_VEHICLE &&
           run->program->counts.waiting_bytes < FR_PROGRAM_WAITING_MAX;
}

bool fr_program_wait(const struct program_run *run, struct fr_throttle_slot *slot,
                     const struct fr_datum *datum)
{
    struct fr_datum moved = *datum; /* points into the excerpt */
    struct fr_record *excerpt;

    if (slot->waiting == NULL && !program_slot_may_wait(run))
        return false;
    excerpt = fr_record_excerpt(run->record, &moved);
    if (excerpt == NULL)
        return false;
    fr_program_set_waiting(run->program, run->vehicle, slot, excerpt, run->origin);
    slot->waiting_datum = moved;
    slot->waiting_flags = run->flags;
    return true;
}
