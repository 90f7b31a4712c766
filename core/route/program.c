#include "route/program.h"

#include <stdlib.h>
#include <string.h>

#include "record/field_catalogue.h"
#include "record/value.h"
#include "route/program_state.h"
#include "util/hash.h"
#include "util/memory.h"

/* Vehicles that a program remembers; those that come after are served without late marks. */
#define VEHICLES_MAX (1u << 20)

/* A value that is sent again and older than this is from the past; a younger one may belong to
 * an arrival that is happening now. */
#define EDGE_PAST_MS 60000

/* ---- vehicles -------------------------------------------------------------------- */

static void grow_vehicles(struct fr_program *program)
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

static struct vehicle *find_vehicle(struct fr_program *program, const char *vin)
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
        grow_vehicles(program);
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

/* One record on its way through the program. */
struct run {
    struct fr_program *program;
    struct fr_record *record;
    void *origin;
    struct vehicle *vehicle;
    uint32_t marks;
    int64_t now_ms;
    int64_t age_ms; /* -1: not known */
    fr_emit_fn *emit;
    void *ctx;
};

static bool too_old(const struct run *run, int64_t max_age_ms)
{
    if (max_age_ms == 0 || run->age_ms <= max_age_ms)
        return false;
    run->program->counts.too_old++;
    return true;
}

static bool route_matches(const struct fr_record_route *route, enum fr_record_type type,
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
        if (route_matches(program->record_routes[i], type, topic))
            return true;
    return false;
}

static void run_records(const struct run *run)
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
        };

        if (route_matches(route, run->record->type, run->record->topic) &&
            !too_old(run, route->max_age_ms))
            run->emit(run->ctx, &emission);
    }
}

static void emit_value(const struct run *run, const struct step *step, uint32_t field,
                       const struct fr_value *value, uint32_t marks)
{
    char name[FR_FIELD_NAME_SIZE];
    struct fr_emission emission = {
        .kind = FR_DELIVERY_FIELD,
        .record = run->record,
        .origin = run->origin,
        .route = step->index,
        .vehicle_name = run->vehicle != NULL ? run->vehicle->name : NULL,
        .marks = marks,
        .field = field,
        .name = step->name != NULL ? step->name : fr_field_name(field, name),
        .unit = step->unit,
        .value = *value,
    };

    run->emit(run->ctx, &emission);
}

static void keep_last(struct fr_throttle_slot *slot, const struct fr_value *value)
{
    slot->last = fr_throttle_kept(value);
    slot->has_last = true;
}

/* Let a value wait for its window in place of the one that waited; whether one did. */
static bool let_wait(const struct run *run, struct fr_throttle_slot *slot,
                     const struct fr_value *value)
{
    struct fr_program *program = run->program;
    void *before = slot->waiting != NULL ? slot->waiting_origin : NULL;
    bool replaced;

    if (program->hold != NULL && run->origin != NULL)
        program->hold(program->watcher, run->origin);
    replaced = fr_throttle_wait(slot, run->record, value, run->marks);
    slot->waiting_origin = run->origin;
    if (before != NULL && program->let_go != NULL)
        program->let_go(program->watcher, before);
    return replaced;
}

static void deliver(const struct run *run, const struct step *step, struct fr_throttle_slot *slot,
                    uint32_t field, const struct fr_value *value, uint32_t marks)
{
    emit_value(run, step, field, value, marks);
    keep_last(slot, value);
    if (step->route->every_ms != 0)
        fr_throttle_open(&run->program->windows[step->index], slot,
                         run->now_ms + step->route->every_ms);
}

static bool changed_enough(const struct fr_throttle_slot *slot, const struct fr_value *value,
                           double min_change)
{
    struct fr_value kept = fr_throttle_kept(value);
    double distance = fr_value_distance(&slot->last, &kept);

    if (value->kind == FR_VALUE_TEXT || distance < 0)
        return !fr_value_equal(&slot->last, &kept);
    return distance >= min_change;
}

static void convert(const struct step *step, struct fr_value *value)
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

static struct fr_throttle_slot *slot_of(const struct run *run, const struct step *step,
                                        uint32_t field)
{
    if (run->vehicle == NULL)
        return NULL;
    return fr_throttle_slot(run->program->throttle, run->vehicle->id, step->index, field);
}

/* A last value told again: no window, no threshold, and never an edge. */
static void restore_value(const struct run *run, const struct step *step,
                          const struct fr_datum *datum)
{
    const struct fr_field_route *route = step->route;
    struct fr_value value = datum->value;
    struct fr_throttle_slot *slot;

    convert(step, &value);
    if ((route->edge_only || route->every_ms != 0 || route->min_change > 0) &&
        (slot = slot_of(run, step, datum->field)) != NULL && slot->waiting == NULL)
        keep_last(slot, &value);
    if (!route->edge_only && !too_old(run, route->max_age_ms))
        emit_value(run, step, datum->field, &value, run->marks);
}

/* No edge, because it is from the past; but the next value is compared with it, unless newer is
 * known: a car that has been at home for half an hour does not arrive when it says so again. */
static void learn(const struct run *run, const struct step *step, uint32_t field,
                  const struct fr_value *value)
{
    struct fr_throttle_slot *slot = slot_of(run, step, field);

    if (slot != NULL && !(run->marks & FR_MARK_LATE))
        keep_last(slot, value);
}

static void run_step(const struct run *run, const struct step *step, const struct fr_datum *datum)
{
    const struct fr_field_route *route = step->route;
    struct fr_program_counts *counts = &run->program->counts;
    struct fr_value value = datum->value;
    struct fr_throttle_slot *slot = NULL;

    if (run->record->restored) {
        restore_value(run, step, datum);
        return;
    }
    convert(step, &value);
    if (too_old(run, route->max_age_ms)) {
        if (route->edge_only)
            learn(run, step, datum->field, &value);
        return;
    }
    if (route->edge_only && run->marks != 0) {
        counts->not_edges++;
        if (run->age_ms > EDGE_PAST_MS)
            learn(run, step, datum->field, &value);
        return;
    }
    if (route->every_ms == 0 && !(route->min_change > 0) && !route->edge_only) {
        emit_value(run, step, datum->field, &value, run->marks);
        return;
    }
    slot = slot_of(run, step, datum->field);
    if (slot == NULL) {
        counts->untracked++;
        emit_value(run, step, datum->field, &value, run->marks);
    } else if (route->edge_only && slot->has_last &&
               !changed_enough(slot, &value, route->min_change > 0 ? route->min_change : 1e-12))
        counts->not_edges++;
    else if (route->min_change > 0 && slot->has_last &&
             !changed_enough(slot, &value, route->min_change)) {
        counts->unchanged++;
        /* Back to where it was within the window: what waited is no longer true. */
        if (slot->waiting != NULL)
            let_wait(run, slot, &value);
    } else if (slot->closes_ms != 0)
        counts->superseded += let_wait(run, slot, &value);
    else
        deliver(run, step, slot, datum->field, &value, run->marks);
}

static const struct step *steps_of(const struct fr_program *program, uint32_t field)
{
    if (field < fr_field_count())
        return program->steps[field];
    for (size_t i = 0; i < program->number_count; i++)
        if (program->numbers[i] == field)
            return program->numbered[i];
    return program->unknown;
}

static void run_fields(const struct run *run)
{
    const struct fr_data *data;

    if (run->program->field_route_count == 0 || run->record->type != FR_RECORD_V)
        return;
    data = fr_record_data(run->record);
    for (size_t i = 0; data != NULL && i < data->count; i++)
        for (const struct step *step = steps_of(run->program, data->datum[i].field); step != NULL;
             step = step->next)
            run_step(run, step, &data->datum[i]);
}

static uint32_t marks_of(const struct fr_record *record)
{
    return (record->resend ? (uint32_t)FR_MARK_RESEND : 0) |
           (record->restored ? (uint32_t)FR_MARK_RESTORED : 0) |
           (record->repeated ? (uint32_t)FR_MARK_REPEATED : 0);
}

void fr_program_run(struct fr_program *program, struct fr_record *record, void *origin,
                    int64_t now_ms, int64_t wall_ms, fr_emit_fn *emit, void *ctx)
{
    struct run run = {
        .program = program,
        .record = record,
        .origin = origin,
        .vehicle = find_vehicle(program, record->vin),
        .marks = marks_of(record),
        .now_ms = now_ms,
        .age_ms = record->created_ns != 0 ? wall_ms - record->created_ns / 1000000 : -1,
        .emit = emit,
        .ctx = ctx,
    };

    if (run.vehicle != NULL && record->type == FR_RECORD_V) {
        if (record->created_ns < run.vehicle->newest_ns)
            run.marks |= record->restored ? 0u : (uint32_t)FR_MARK_LATE;
        else
            run.vehicle->newest_ns = record->created_ns;
    }
    if (!record->restored || record->type != FR_RECORD_V)
        run_records(&run); /* a last value told again is no record of its own */
    run_fields(&run);
}

/* ---- windows --------------------------------------------------------------------- */

static const struct step *step_of_route(const struct fr_program *program, uint32_t route,
                                        uint32_t field)
{
    const struct step *step = steps_of(program, field);

    while (step != NULL && step->index != route)
        step = step->next;
    return step;
}

void fr_program_emit_waiting(struct fr_program *program, struct fr_throttle_slot *slot,
                             uint32_t route, int64_t now_ms, fr_emit_fn *emit, void *ctx)
{
    struct fr_record *record = slot->waiting;
    uint32_t field = (uint32_t)slot->key[1];
    const struct step *step = step_of_route(program, route, field);
    struct run run = {.program = program,
                      .record = record,
                      .origin = slot->waiting_origin,
                      .now_ms = now_ms,
                      .emit = emit,
                      .ctx = ctx};

    slot->waiting = NULL;
    slot->waiting_origin = NULL;
    if (record == NULL)
        return;
    run.vehicle = find_vehicle(program, record->vin);
    if (step != NULL)
        deliver(&run, step, slot, field, &slot->waiting_value, slot->waiting_marks);
    if (run.origin != NULL && program->let_go != NULL)
        program->let_go(program->watcher, run.origin);
    fr_record_unref(record);
}

void fr_program_close_windows(struct fr_program *program, int64_t now_ms, fr_emit_fn *emit,
                              void *ctx)
{
    for (uint32_t i = 0; i < program->field_route_count; i++) {
        struct fr_throttle_slot *slot;

        while ((slot = fr_throttle_close(&program->windows[i], now_ms)) != NULL)
            fr_program_emit_waiting(program, slot, i, now_ms, emit, ctx);
    }
}

int64_t fr_program_next_close(const struct fr_program *program)
{
    int64_t next = -1;

    for (size_t i = 0; i < program->field_route_count; i++) {
        const struct fr_throttle_slot *slot = program->windows[i].first;

        if (slot != NULL && (next < 0 || slot->closes_ms < next))
            next = slot->closes_ms;
    }
    return next;
}

struct fr_program_counts fr_program_counts(const struct fr_program *program)
{
    return program->counts;
}
