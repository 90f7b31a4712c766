/* From the routing file to what one sink does with it. */
#include <stdlib.h>
#include <string.h>

#include "record/field_catalogue.h"
#include "route/program_state.h"
#include "util/hash.h"
#include "util/memory.h"

/* The same number for routes that treat their fields alike, also in another program: the values
 * that wait as the newest of a route (latest.h) outlive a reload. */
static uint32_t compile_route_id(const struct fr_field_route *route)
{
    uint64_t hash = fr_hash_text(route->as != NULL ? route->as : "", 0);

    hash = fr_hash_text(route->unit != NULL ? route->unit : "", hash);
    hash = fr_hash_bytes(&route->every_ms, sizeof route->every_ms, hash);
    hash = fr_hash_bytes(&route->min_change, sizeof route->min_change, hash);
    hash = fr_hash_bytes(&route->max_age_ms, sizeof route->max_age_ms, hash);
    hash = fr_hash_bytes(&route->edge_only, sizeof route->edge_only, hash);
    return (uint32_t)(hash ^ hash >> 32);
}

static struct step *make_step(const struct fr_field_route *route, uint32_t index,
                              const struct fr_field *field)
{
    struct step *step = fr_calloc(1, sizeof *step);
    const char *wire = field != NULL ? field->unit : "";

    step->route = route;
    step->index = index;
    step->route_id = compile_route_id(route);
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

/* A field without a name that the file names begins with the routes of "*" before this one. */
static void compile_add_number(struct fr_program *program, uint32_t index, uint32_t number)
{
    size_t i = program->number_count++;

    program->numbered = fr_realloc(program->numbered, i + 1, sizeof(struct step *));
    program->numbers = fr_realloc(program->numbers, i + 1, sizeof *program->numbers);
    program->numbered[i] = NULL;
    program->numbers[i] = number;
    for (uint32_t k = 0; k < index; k++)
        if (program->field_routes[k]->all)
            append_step(&program->numbered[i], make_step(program->field_routes[k], k, NULL));
}

static void add_numbered(struct fr_program *program, const struct fr_field_route *route,
                         uint32_t index, uint32_t number)
{
    size_t i = 0;

    while (i < program->number_count && program->numbers[i] != number)
        i++;
    if (i == program->number_count)
        compile_add_number(program, index, number);
    append_step(&program->numbered[i], make_step(route, index, NULL));
}

static bool compile_has_route(const struct step *step, uint32_t index)
{
    while (step != NULL && step->index != index)
        step = step->next;
    return step != NULL;
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
    if (!route->all)
        return;
    append_step(&program->unknown, make_step(route, index, NULL));
    for (size_t i = 0; i < program->number_count; i++)
        if (!compile_has_route(program->numbered[i], index))
            append_step(&program->numbered[i], make_step(route, index, NULL));
}

/* A slot for each route and field of the file, and for some that only a vehicle names. */
static size_t compile_slots(const struct fr_program *program)
{
    size_t count = program->field_route_count * FR_PROGRAM_UNKNOWN_FIELDS_MAX;

    for (size_t i = 0; i < fr_field_count(); i++)
        for (const struct step *step = program->steps[i]; step != NULL; step = step->next)
            count++;
    return count;
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
    program->steps = fr_calloc(fr_field_count(), sizeof(struct step *));
    for (size_t i = 0; i < routing->field_count; i++)
        if (routing->fields[i].sinks & bit)
            compile_field_route(program, &routing->fields[i]);
    program->windows = fr_windows_new(program->field_route_count);
    program->slots_per_vehicle = compile_slots(program);
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
    fr_windows_free(program->windows);
    free(program->field_routes);
    free(program->record_routes);
    fr_routing_unref(program->routing);
    free(program);
}

bool fr_program_remembers(const struct fr_program *program)
{
    for (size_t i = 0; i < program->field_route_count; i++)
        if (fr_program_route_has_state(program->field_routes[i]))
            return true;
    return false;
}

void fr_program_watch(struct fr_program *program, void (*acquire)(void *ctx, void *origin),
                      void (*release)(void *ctx, void *origin), void *ctx)
{
    program->acquire = acquire;
    program->release = release;
    program->watcher = ctx;
}

struct fr_routing *fr_program_routing(const struct fr_program *program)
{
    return program->routing;
}
