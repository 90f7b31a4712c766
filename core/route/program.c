#include "route/program.h"

#include <stdlib.h>
#include <string.h>

#include "record/field_catalogue.h"
#include "record/units.h"
#include "record/value.h"
#include "route/throttle.h"
#include "util/hash.h"
#include "util/memory.h"

/* Vehicles that a program remembers; those that come after are served without late marks. */
#define VEHICLES_MAX (1u << 20)

/* A value that is sent again and older than this is from the past; a younger one may belong to
 * an arrival that is happening now. */
#define EDGE_PAST_MS 60000

/* One route as it applies to one field. */
struct step {
    const struct fr_field_route *route;
    uint32_t index; /* the route's number in the program */
    const char *name;
    const char *unit;
    bool converts;
    struct fr_conversion conversion;
    struct step *next; /* of the same field */
};

struct vehicle {
    struct vehicle *next;
    uint64_t hash;
    uint64_t id;
    int64_t newest_ns; /* creation time of the newest record seen */
    const char *name;
    char vin[];
};

struct fr_program {
    struct fr_routing *routing; /* counted */
    size_t sink;
    enum fr_format format;
    const struct fr_record_route **record_routes;
    size_t record_route_count;
    const struct fr_field_route **field_routes;
    struct fr_throttle_windows *windows; /* of each field route */
    size_t field_route_count;
    struct step **steps;    /* by field number, for the catalogue's fields */
    struct step *unknown;   /* for every other number: routes of "*" */
    struct step **numbered; /* for field_N named in the file */
    uint32_t *numbers;
    size_t number_count;
    struct fr_throttle *throttle;
    struct vehicle **vehicles;
    size_t vehicle_buckets, vehicle_count;
    struct fr_program_counts counts;
    void (*hold)(void *ctx, void *origin);
    void (*let_go)(void *ctx, void *origin);
    void *watcher;
};

/* ---- compiling ------------------------------------------------------------------- */

static struct step *make_step(const struct fr_field_route *route, uint32_t index,
                              const struct fr_field *field)
{
    struct step *step = fr_calloc(1, sizeof *step);
    const char *wire = field != NULL ? field->unit : "";

    step->route = route;
    step->index = index;
    step->name = route->as;
    if (step->name == NULL && field != NULL)
        step->name = field->name;
    step->unit = wire;
    if (route->unit != NULL) {
        const char *unit = fr_routing_unit(route->unit, wire);

        if (unit != NULL && fr_unit_convert(wire, unit, &step->conversion)) {
            step->unit = unit;
            step->converts = strcmp(unit, wire) != 0;
        }
    }
    return step;
}

static void append_step(struct step **list, struct step *step)
{
    while (*list != NULL)
        list = &(*list)->next;
    *list = step;
}

static void add_numbered(struct fr_program *program, const struct fr_field_route *route,
                         uint32_t index, uint32_t number)
{
    size_t i = 0;

    while (i < program->number_count && program->numbers[i] != number)
        i++;
    if (i == program->number_count) {
        program->numbered = fr_realloc(program->numbered, i + 1, sizeof(struct step *));
        program->numbers = fr_realloc(program->numbers, i + 1, sizeof *program->numbers);
        program->numbered[i] = NULL;
        program->numbers[i] = number;
        program->number_count++;
    }
    append_step(&program->numbered[i], make_step(route, index, NULL));
}

static void compile_field_route(struct fr_program *program, const struct fr_field_route *route)
{
    uint32_t index = (uint32_t)program->field_route_count++;

    program->field_routes[index] = route;
    for (size_t i = 0; i < route->field_count; i++) {
        uint32_t number = route->fields[i];
        const struct fr_field *field = fr_field_by_number(number);

        if (field != NULL)
            append_step(&program->steps[number], make_step(route, index, field));
        else
            add_numbered(program, route, index, number);
    }
    if (route->all)
        append_step(&program->unknown, make_step(route, index, NULL));
}

struct fr_program *fr_program_new(struct fr_routing *routing, size_t sink, enum fr_format format)
{
    struct fr_program *program = fr_calloc(1, sizeof *program);
    uint64_t bit = UINT64_C(1) << sink;

    program->routing = fr_routing_ref(routing);
    program->sink = sink;
    program->format = format;
    program->record_routes =
        fr_calloc(routing->record_count, sizeof(const struct fr_record_route *));
    for (size_t i = 0; i < routing->record_count; i++)
        if (routing->records[i].sinks & bit)
            program->record_routes[program->record_route_count++] = &routing->records[i];
    program->field_routes = fr_calloc(routing->field_count, sizeof(const struct fr_field_route *));
    program->windows = fr_calloc(routing->field_count, sizeof *program->windows);
    program->steps = fr_calloc(fr_field_count(), sizeof(struct step *));
    for (size_t i = 0; i < routing->field_count; i++)
        if (routing->fields[i].sinks & bit)
            compile_field_route(program, &routing->fields[i]);
    program->throttle = fr_throttle_new();
    program->vehicle_buckets = 64;
    program->vehicles = fr_calloc(program->vehicle_buckets, sizeof(struct vehicle *));
    return program;
}

static void free_steps(struct step *step)
{
    while (step != NULL) {
        struct step *next = step->next;

        free(step);
        step = next;
    }
}

void fr_program_free(struct fr_program *program)
{
    if (program == NULL)
        return;
    for (size_t i = 0; i < fr_field_count(); i++)
        free_steps(program->steps[i]);
    for (size_t i = 0; i < program->number_count; i++)
        free_steps(program->numbered[i]);
    free_steps(program->unknown);
    for (size_t i = 0; i < program->vehicle_buckets; i++)
        for (struct vehicle *v = program->vehicles[i], *next; v != NULL; v = next) {
            next = v->next;
            free(v);
        }
    fr_throttle_free(program->throttle);
    free(program->vehicles);
    free(program->steps);
    free(program->numbered);
    free(program->numbers);
    free(program->windows);
    free(program->field_routes);
    free(program->record_routes);
    fr_routing_unref(program->routing);
    free(program);
}

void fr_program_watch(struct fr_program *program, void (*hold)(void *ctx, void *origin),
                      void (*let_go)(void *ctx, void *origin), void *ctx)
{
    program->hold = hold;
    program->let_go = let_go;
    program->watcher = ctx;
}

struct fr_routing *fr_program_routing(const struct fr_program *program)
{
    return program->routing;
}

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

static const char *name_of(const struct fr_routing *routing, const char *vin)
{
    for (size_t i = 0; i < routing->vehicle_count; i++)
        if (strcmp(routing->vehicles[i].vin, vin) == 0)
            return routing->vehicles[i].name;
    return NULL;
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
    v->name = name_of(program->routing, vin);
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

/* Emit what waits in a slot whose window is closed. */
static void emit_waiting(struct fr_program *program, struct fr_throttle_slot *slot, uint32_t route,
                         int64_t now_ms, fr_emit_fn *emit, void *ctx)
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
            emit_waiting(program, slot, i, now_ms, emit, ctx);
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

/* ---- from one program to the next ------------------------------------------------ */

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
            v->name = name_of(program->routing, v->vin);
}

static void adopt_window(struct adoption *a, struct fr_program *older, uint32_t route,
                         struct fr_throttle_slot *from, int64_t closes_ms, int64_t now_ms,
                         fr_emit_fn *emit, void *ctx)
{
    struct fr_throttle_slot *slot = slot_for(a, from);

    if (slot == NULL) {
        emit_waiting(older, from, route, now_ms, emit, ctx);
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
