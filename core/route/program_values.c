/* Field routes: windows, thresholds, edges and ages of single values. */
#include "record/field_catalogue.h"
#include "record/value.h"
#include "route/program_state.h"

/* A value that is sent again and older than this is from the past; a younger one may belong to
 * an arrival that is happening now. */
#define EDGE_PAST_MS 60000

/* edge_only compares for any difference. */
#define ANY_CHANGE 1e-12

const struct step *fr_program_steps(const struct fr_program *program, uint32_t field)
{
    if (field < fr_field_count())
        return program->steps[field];
    for (size_t i = 0; i < program->number_count; i++)
        if (program->numbers[i] == field)
            return program->numbered[i];
    return program->unknown;
}

bool fr_program_route_has_state(const struct fr_field_route *route)
{
    return route->edge_only || route->every_ms != 0 || route->min_change > 0;
}

static void value_convert(const struct step *step, struct fr_value *value)
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

static int64_t value_expiry(const struct run *run, const struct fr_field_route *route)
{
    return route->max_age_ms == 0 ? INT64_MAX : run->wall_ms - run->age_ms + route->max_age_ms;
}

static void value_emit(const struct run *run, const struct step *step, uint32_t field,
                       const struct fr_value *value, uint32_t marks)
{
    char name[FR_FIELD_NAME_SIZE];
    struct fr_emission emission = {
        .kind = FR_DELIVERY_FIELD,
        .record = run->record,
        .origin = run->origin,
        .route_id = step->route_id,
        .vehicle_name = run->vehicle != NULL ? run->vehicle->name : NULL,
        .marks = marks,
        .field = field,
        .name = step->name != NULL ? step->name : fr_field_name(field, name),
        .unit = step->unit,
        .value = *value,
        .due_ms = run->due_ms,
        .expires_ms = value_expiry(run, step->route),
    };

    run->emit(run->ctx, &emission);
}

/* ---- slots ----------------------------------------------------------------------- */

static struct fr_throttle_slot *value_slot(const struct run *run, const struct step *step,
                                           uint32_t field)
{
    struct fr_program *program = run->program;
    struct vehicle *vehicle = run->vehicle;
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

void fr_program_set_waiting(struct fr_program *program, struct vehicle *vehicle,
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
            program->acquire(program->watcher, origin);
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
        program->release(program->watcher, before_origin);
}

static bool value_may_wait(const struct run *run)
{
    return run->vehicle->waiting_bytes < FR_PROGRAM_WAITING_MAX_VEHICLE &&
           run->program->counts.waiting_bytes < FR_PROGRAM_WAITING_MAX;
}

/* Let a value wait for its window in place of the one that waited. false: it cannot wait. */
static bool value_wait(const struct run *run, struct fr_throttle_slot *slot,
                       const struct fr_datum *datum, const struct fr_value *value)
{
    struct fr_value kept = *value;
    struct fr_record *excerpt;

    if (slot->waiting == NULL && !value_may_wait(run))
        return false;
    excerpt = fr_record_excerpt(run->record, datum, &kept);
    if (excerpt == NULL)
        return false;
    fr_program_set_waiting(run->program, run->vehicle, slot, excerpt, run->origin);
    slot->waiting_value = kept;
    slot->waiting_marks = run->marks;
    return true;
}

/* Deliver a value now and open its window; the slot's window must be closed. */
static void value_deliver(const struct run *run, const struct step *step,
                          struct fr_throttle_slot *slot, uint32_t field,
                          const struct fr_value *value, uint32_t marks)
{
    value_emit(run, step, field, value, marks);
    fr_throttle_keep_last(slot, value, fr_record_time_ns(run->record));
    if (step->route->every_ms != 0)
        fr_windows_open(run->program->windows, step->index, slot,
                        run->now_ms + step->route->every_ms);
}

/* ---- what a value has to pass ---------------------------------------------------- */

/* Whether a value differs enough from the last one delivered. */
static bool value_changed(const struct fr_throttle_slot *slot, const struct fr_field_route *route,
                          const struct fr_value *value)
{
    double min_change = route->min_change > 0 ? route->min_change : ANY_CHANGE;
    struct fr_value kept = fr_throttle_kept(value);
    double distance;

    if (!slot->has_last || !(route->edge_only || route->min_change > 0))
        return true;
    distance = fr_value_distance(&slot->last, &kept);
    if (value->kind == FR_VALUE_TEXT || distance < 0)
        return !fr_value_equal(&slot->last, &kept);
    return distance >= min_change;
}

/* A restored last value: no window, no threshold, and never an edge. A value that is not emitted here
 * may never have been delivered, so min_change must not compare with it; edge_only always must know
 * the state. */
static void value_restore(const struct run *run, const struct step *step,
                          const struct fr_datum *datum)
{
    const struct fr_field_route *route = step->route;
    struct fr_value value = datum->value;
    struct fr_throttle_slot *slot;

    value_convert(step, &value);
    if (fr_program_route_has_state(route) && (route->edge_only || run->emit != NULL) &&
        (slot = value_slot(run, step, datum->field)) != NULL)
        fr_throttle_keep_last(slot, &value, fr_record_time_ns(run->record));
    if (run->emit != NULL && !route->edge_only && !fr_program_too_old(run, route->max_age_ms))
        value_emit(run, step, datum->field, &value, run->marks);
}

/* The value is no edge, because it is from the past. The next value is compared with it, unless
 * a newer one is known: a car that has been at home for half an hour does not arrive when it sends
 * its position again. */
static void value_learn(const struct run *run, const struct step *step, uint32_t field,
                        const struct fr_value *value)
{
    struct fr_throttle_slot *slot = value_slot(run, step, field);

    if (slot != NULL)
        fr_throttle_keep_last(slot, value, fr_record_time_ns(run->record));
}

/* Whether max_age and edge_only let the value pass; they need no slot. */
static bool value_passes(const struct run *run, const struct step *step, uint32_t field,
                         const struct fr_value *value)
{
    const struct fr_field_route *route = step->route;

    if (fr_program_too_old(run, route->max_age_ms)) {
        if (route->edge_only)
            value_learn(run, step, field, value);
        return false;
    }
    if (route->edge_only && run->marks != 0) {
        run->program->counts.not_edges++;
        if (run->age_ms > EDGE_PAST_MS)
            value_learn(run, step, field, value);
        return false;
    }
    return true;
}

/* A value near the last one delivered. What waits is no longer true: for min_change the new value
 * waits in its place; for edge_only there is no edge any more. */
static void value_unchanged(const struct run *run, const struct step *step,
                            struct fr_throttle_slot *slot, const struct fr_datum *datum,
                            const struct fr_value *value)
{
    struct fr_program_counts *counts = &run->program->counts;

    if (step->route->edge_only)
        counts->not_edges++;
    else
        counts->unchanged++;
    if (slot->waiting == NULL || fr_record_time_ns(run->record) < fr_record_time_ns(slot->waiting))
        return;
    if (step->route->edge_only || !value_wait(run, slot, datum, value))
        fr_program_set_waiting(run->program, run->vehicle, slot, NULL, NULL);
}

/* A value whose window is open: the newest one waits for its end. */
static void value_in_window(const struct run *run, const struct step *step,
                            struct fr_throttle_slot *slot, const struct fr_datum *datum,
                            const struct fr_value *value)
{
    struct fr_program_counts *counts = &run->program->counts;
    bool waited = slot->waiting != NULL;

    if (waited && fr_record_time_ns(run->record) < fr_record_time_ns(slot->waiting)) {
        counts->superseded++;
        return;
    }
    if (value_wait(run, slot, datum, value)) {
        counts->superseded += waited;
        return;
    }
    counts->untracked++;
    if (waited)
        fr_program_set_waiting(run->program, run->vehicle, slot, NULL, NULL);
    value_emit(run, step, datum->field, value, run->marks);
    fr_throttle_keep_last(slot, value, fr_record_time_ns(run->record));
}

static void value_run(const struct run *run, const struct step *step, const struct fr_datum *datum)
{
    const struct fr_field_route *route = step->route;
    struct fr_value value = datum->value;
    struct fr_throttle_slot *slot = NULL;

    if (run->record->restored) {
        value_restore(run, step, datum);
        return;
    }
    value_convert(step, &value);
    if (!value_passes(run, step, datum->field, &value))
        return;
    if (fr_program_route_has_state(route)) {
        slot = value_slot(run, step, datum->field);
        if (slot == NULL)
            run->program->counts.untracked++;
        if (slot == NULL && route->edge_only)
            return; /* it may be no edge */
    }
    if (slot == NULL)
        value_emit(run, step, datum->field, &value, run->marks);
    else if (!value_changed(slot, route, &value))
        value_unchanged(run, step, slot, datum, &value);
    else if (slot->open)
        value_in_window(run, step, slot, datum, &value);
    else
        value_deliver(run, step, slot, datum->field, &value, run->marks);
}

void fr_program_run_fields(const struct run *run)
{
    const struct fr_data *data = fr_record_data(run->record);

    for (size_t i = 0; data != NULL && i < data->count; i++)
        for (const struct step *step = fr_program_steps(run->program, data->datum[i].field);
             step != NULL; step = step->next)
            value_run(run, step, &data->datum[i]);
}

/* ---- windows that close ---------------------------------------------------------- */

const struct step *fr_program_step_of_route(const struct fr_program *program, uint32_t route,
                                            uint32_t field)
{
    const struct step *step = fr_program_steps(program, field);

    while (step != NULL && step->index != route)
        step = step->next;
    return step;
}

/* Whether a value that waited may still be delivered. */
static bool value_still_due(const struct run *run, const struct step *step,
                            struct fr_throttle_slot *slot)
{
    const struct fr_field_route *route = step->route;

    if (fr_program_too_old(run, route->max_age_ms)) {
        if (route->edge_only)
            fr_throttle_keep_last(slot, &slot->waiting_value, fr_record_time_ns(run->record));
        return false;
    }
    if (route->edge_only && !value_changed(slot, route, &slot->waiting_value)) {
        run->program->counts.not_edges++;
        return false;
    }
    return true;
}

void fr_program_emit_waiting(struct fr_program *program, struct fr_throttle_slot *slot,
                             const struct fr_program_time *time, int64_t due_ms, fr_emit_fn *emit,
                             void *ctx)
{
    struct fr_record *record = slot->waiting;
    uint32_t field = fr_throttle_field(slot);
    const struct step *step = fr_program_step_of_route(program, fr_throttle_route(slot), field);
    struct run run = {.program = program,
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
    if (step != NULL && value_still_due(&run, step, slot))
        value_deliver(&run, step, slot, field, &slot->waiting_value, slot->waiting_marks);
    fr_program_set_waiting(program, run.vehicle, slot, NULL, NULL);
}

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

/* Windows without a waiting value stay as they are. The others begin again at now_ms, so they
 * close last and go to the end of the route's queue. */
static void value_flush_route(struct fr_program *program, uint32_t route,
                              const struct fr_program_time *time, fr_emit_fn *emit, void *ctx)
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
        value_flush_route(program, route, time, emit, ctx);
}

static void value_forget(void *ctx, struct fr_throttle_slot *slot)
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
    fr_throttle_each(program->throttle, value_forget, program);
}

int64_t fr_program_next_close(const struct fr_program *program)
{
    return fr_windows_next_close(program->windows);
}
