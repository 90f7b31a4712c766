#include "route/program_values.h"

#include "record/field_catalogue.h"
#include "record/payload.h"
#include "record/value.h"
#include "route/program_age.h"
#include "route/program_compile.h"
#include "route/program_slots.h"
#include "route/program_vehicles.h"

/* A value that was sent again and is older than this is not an edge and becomes the last value. A
 * younger one may belong to a change that is happening now, so the next value may still be an edge. */
#define EDGE_PAST_MS 60000

/* The min_change of edge_only: any difference. */
#define ANY_CHANGE 1e-12

/* Converted numbers are FR_VALUE_REAL. */
static void program_value_convert(const struct program_step *step, struct fr_value *value)
{
    double number;

    if (!step->converts)
        return;
    if (value->kind == FR_VALUE_REAL)
        number = value->real;
    else if (value->kind == FR_VALUE_INT)
        number = (double)value->integer;
    else
        return;
    value->kind = FR_VALUE_REAL;
    value->real = number * step->conversion.factor + step->conversion.offset;
}

static void program_value_emit(const struct program_run *run, const struct program_step *step,
                               const struct fr_datum *datum, uint32_t flags)
{
    bool converted = step->converts && datum->value.kind == FR_VALUE_REAL;
    char name[FR_FIELD_NAME_SIZE];
    struct fr_emission emission = {
        .kind = FR_DELIVERY_FIELD,
        .record = run->record,
        .origin = run->origin,
        .route_id = step->route_id,
        .vehicle_name = run->vehicle != NULL ? run->vehicle->name : NULL,
        .flags = flags,
        .field = datum->field,
        .name = step->name != NULL ? step->name : fr_field_name(datum->field, name),
        .unit = step->unit,
        .value = datum->value,
        .datum = converted ? NULL : datum->wire,
        .datum_len = datum->wire_len,
        .due_ms = run->due_ms,
        .expires_ms = fr_program_expiry(run, step->route->max_age_ms),
    };

    run->emit(run->ctx, &emission);
}

/* Emit a value and open its window, which must be closed. */
static void program_value_deliver(const struct program_run *run, const struct program_step *step,
                                  struct fr_throttle_slot *slot, const struct fr_datum *datum,
                                  uint32_t flags)
{
    program_value_emit(run, step, datum, flags);
    fr_throttle_set_last(slot, &datum->value, fr_record_time_ns(run->record));
    if (step->route->every_ms != 0)
        fr_windows_open(run->program->windows, step->index, slot,
                        run->now_ms + step->route->every_ms);
}

/* ---- filters --------------------------------------------------------------------- */

/* Whether a value differs from the last one delivered by min_change, or at all (edge_only). */
static bool program_value_changed(const struct fr_throttle_slot *slot,
                                  const struct fr_field_route *route, const struct fr_value *value)
{
    double min_change = route->min_change > 0 ? route->min_change : ANY_CHANGE;
    struct fr_value kept = fr_throttle_compact_value(value);
    double distance;

    if (!slot->has_last || !(route->edge_only || route->min_change > 0))
        return true;
    distance = fr_value_distance(&slot->last, &kept);
    if (value->kind == FR_VALUE_TEXT || distance < 0)
        return !fr_value_equal(&slot->last, &kept);
    return distance >= min_change;
}

/* A restored value has no window and no threshold, and is never an edge. A value that is not emitted
 * here may never have been delivered, so min_change must not compare with it. edge_only compares
 * with it in any case. */
static void program_value_restore(const struct program_run *run, const struct program_step *step,
                                  const struct fr_datum *datum)
{
    const struct fr_field_route *route = step->route;
    struct fr_throttle_slot *slot;

    if (step->has_state && (route->edge_only || run->emit != NULL) &&
        (slot = fr_program_slot(run, step, datum->field)) != NULL)
        fr_throttle_set_last(slot, &datum->value, fr_record_time_ns(run->record));
    if (run->emit != NULL && !route->edge_only && !fr_program_too_old(run, route->max_age_ms))
        program_value_emit(run, step, datum, run->flags);
}

/* A value from the past is not an edge. It becomes the last value unless a newer one is known, so
 * that a vehicle that has been at home for half an hour does not arrive when it sends its position
 * again. */
static void program_value_store_last(const struct program_run *run, const struct program_step *step,
                                     uint32_t field, const struct fr_value *value)
{
    struct fr_throttle_slot *slot = fr_program_slot(run, step, field);

    if (slot != NULL)
        fr_throttle_set_last(slot, value, fr_record_time_ns(run->record));
}

/* Whether a value passes max_age and the flags that edge_only skips. */
static bool program_value_passes(const struct program_run *run, const struct program_step *step,
                                 uint32_t field, const struct fr_value *value)
{
    const struct fr_field_route *route = step->route;

    if (fr_program_too_old(run, route->max_age_ms)) {
        if (route->edge_only)
            program_value_store_last(run, step, field, value);
        return false;
    }
    if (route->edge_only && run->flags != 0) {
        run->program->counts.filtered_edge++;
        if (run->age_ms > EDGE_PAST_MS)
            program_value_store_last(run, step, field, value);
        return false;
    }
    return true;
}

/* A value that does not differ enough from the last one delivered. An older value that waits is
 * obsolete: for min_change the new value waits instead; for edge_only there is no edge any more. */
static void program_value_unchanged(const struct program_run *run, const struct program_step *step,
                                    struct fr_throttle_slot *slot, const struct fr_datum *datum)
{
    struct fr_program_counts *counts = &run->program->counts;

    if (step->route->edge_only)
        counts->filtered_edge++;
    else
        counts->unchanged++;
    if (slot->waiting == NULL || fr_record_time_ns(run->record) < fr_record_time_ns(slot->waiting))
        return;
    if (step->route->edge_only || !fr_program_wait(run, slot, datum))
        fr_program_set_waiting(run->program, run->vehicle, slot, NULL, NULL);
}

/* The window is open: the newest value waits until it closes. */
static void program_value_in_window(const struct program_run *run, const struct program_step *step,
                                    struct fr_throttle_slot *slot, const struct fr_datum *datum)
{
    struct fr_program_counts *counts = &run->program->counts;
    bool waited = slot->waiting != NULL;

    if (waited && fr_record_time_ns(run->record) < fr_record_time_ns(slot->waiting)) {
        counts->superseded++;
        return;
    }
    if (fr_program_wait(run, slot, datum)) {
        counts->superseded += waited;
        return;
    }
    counts->table_full++;
    if (waited)
        fr_program_set_waiting(run->program, run->vehicle, slot, NULL, NULL);
    program_value_emit(run, step, datum, run->flags);
    fr_throttle_set_last(slot, &datum->value, fr_record_time_ns(run->record));
}

static void program_value_run(const struct program_run *run, const struct program_step *step,
                              const struct fr_datum *sent)
{
    const struct fr_field_route *route = step->route;
    struct fr_datum datum = *sent;
    struct fr_throttle_slot *slot = NULL;

    program_value_convert(step, &datum.value);
    if (run->record->restored) {
        program_value_restore(run, step, &datum);
        return;
    }
    if (!program_value_passes(run, step, datum.field, &datum.value))
        return;
    if (step->has_state) {
        slot = fr_program_slot(run, step, datum.field);
        if (slot == NULL)
            run->program->counts.table_full++;
        if (slot == NULL && route->edge_only)
            return; /* without the last value, an edge cannot be detected */
    }
    if (slot == NULL)
        program_value_emit(run, step, &datum, run->flags);
    else if (!program_value_changed(slot, route, &datum.value))
        program_value_unchanged(run, step, slot, &datum);
    else if (slot->open)
        program_value_in_window(run, step, slot, &datum);
    else
        program_value_deliver(run, step, slot, &datum, run->flags);
}

void fr_program_run_fields(const struct program_run *run)
{
    const struct fr_data *data = fr_record_data(run->record);

    for (size_t i = 0; data != NULL && i < data->count; i++)
        for (const struct program_step *step = fr_program_steps(run->program, data->datum[i].field);
             step != NULL; step = step->next)
            program_value_run(run, step, &data->datum[i]);
}

/* ---- values that waited ---------------------------------------------------------- */

/* Whether a value that waited still passes the filters, at the close of its window. */
static bool program_value_still_due(const struct program_run *run, const struct program_step *step,
                                    struct fr_throttle_slot *slot)
{
    const struct fr_field_route *route = step->route;

    if (fr_program_too_old(run, route->max_age_ms)) {
        if (route->edge_only)
            fr_throttle_set_last(slot, &slot->waiting_datum.value, fr_record_time_ns(run->record));
        return false;
    }
    if (route->edge_only && !program_value_changed(slot, route, &slot->waiting_datum.value)) {
        run->program->counts.filtered_edge++;
        return false;
    }
    return true;
}

void fr_program_emit_waiting(struct fr_program *program, struct fr_throttle_slot *slot,
                             const struct fr_program_time *time, int64_t due_ms, fr_emit_fn *emit,
                             void *ctx)
{
    struct fr_record *record = slot->waiting;
    const struct program_step *step =
        fr_program_step_of_route(program, fr_throttle_route(slot), fr_throttle_field(slot));
    struct program_run run = {.program = program,
                              .record = record,
                              .origin = slot->waiting_origin,
                              .now_ms = time->now_ms,
                              .wall_ms = time->wall_ms,
                              .due_ms = due_ms,
                              .emit = emit,
                              .ctx = ctx};

    if (record == NULL)
        return;
    run.age_ms = fr_program_age(record, time->wall_ms);
    run.vehicle = fr_program_vehicle(program, record->vin);
    if (step != NULL && program_value_still_due(&run, step, slot))
        program_value_deliver(&run, step, slot, &slot->waiting_datum, slot->waiting_flags);
    fr_program_set_waiting(program, run.vehicle, slot, NULL, NULL);
}
