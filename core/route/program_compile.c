#include "route/program_compile.h"

#include <stdlib.h>
#include <string.h>

#include "config/field_route.h"
#include "record/field_catalogue.h"
#include "util/memory.h"

static struct program_step *compile_make_step(const struct fr_field_route *route, uint32_t index,
                                              const struct fr_field *field)
{
    struct program_step *step = fr_calloc(1, sizeof *step);
    const char *wire = field != NULL ? field->unit : "";

    step->route = route;
    step->index = index;
    step->route_id = fr_field_route_id(route);
    step->has_state = fr_field_route_has_state(route);
    step->name = route->as;
    if (step->name == NULL && field != NULL)
        step->name = field->name;
    step->unit = wire;
    if (route->unit != NULL) {
        const char *unit = fr_field_route_unit(route->unit, wire);

        if (unit != NULL && fr_unit_convert(wire, unit, &step->conversion)) {
            step->unit = unit;
            step->converts = strcmp(unit, wire) != 0;
        }
    }
    return step;
}

static void compile_append_step(struct program_step **list, struct program_step *step)
{
    while (*list != NULL)
        list = &(*list)->next;
    *list = step;
}

/* The first route with field_N: the earlier routes of "*" apply to the field too. */
static void compile_add_number(struct fr_program *program, uint32_t index, uint32_t number)
{
    size_t i = program->number_count++;

    program->numbered = fr_realloc(program->numbered, i + 1, sizeof(struct program_step *));
    program->numbers = fr_realloc(program->numbers, i + 1, sizeof *program->numbers);
    program->numbered[i] = NULL;
    program->numbers[i] = number;
    for (uint32_t k = 0; k < index; k++)
        if (program->field_routes[k]->all)
            compile_append_step(&program->numbered[i],
                                compile_make_step(program->field_routes[k], k, NULL));
}

static void compile_add_numbered(struct fr_program *program, const struct fr_field_route *route,
                                 uint32_t index, uint32_t number)
{
    size_t i = 0;

    while (i < program->number_count && program->numbers[i] != number)
        i++;
    if (i == program->number_count)
        compile_add_number(program, index, number);
    compile_append_step(&program->numbered[i], compile_make_step(route, index, NULL));
}

static bool compile_has_route(const struct program_step *step, uint32_t index)
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
            compile_append_step(&program->steps[number], compile_make_step(route, index, field));
        else
            compile_add_numbered(program, route, index, number);
    }
    if (!route->all)
        return;
    compile_append_step(&program->unknown, compile_make_step(route, index, NULL));
    for (size_t i = 0; i < program->number_count; i++)
        if (!compile_has_route(program->numbered[i], index))
            compile_append_step(&program->numbered[i], compile_make_step(route, index, NULL));
}

static void compile_free_steps(struct program_step *step)
{
    while (step != NULL) {
        struct program_step *next = step->next;

        free(step);
        step = next;
    }
}

void fr_program_compile(struct fr_program *program, size_t sink)
{
    const struct fr_routing *routing = program->routing;
    uint64_t bit = UINT64_C(1) << sink;

    program->record_routes =
        fr_calloc(routing->record_count, sizeof(const struct fr_record_route *));
    for (size_t i = 0; i < routing->record_count; i++)
        if (routing->records[i].sinks & bit)
            program->record_routes[program->record_route_count++] = &routing->records[i];
    program->field_routes = fr_calloc(routing->field_count, sizeof(const struct fr_field_route *));
    program->steps = fr_calloc(fr_field_count(), sizeof(struct program_step *));
    for (size_t i = 0; i < routing->field_count; i++)
        if (routing->fields[i].sinks & bit)
            compile_field_route(program, &routing->fields[i]);
}

void fr_program_compile_free(struct fr_program *program)
{
    for (size_t i = 0; i < fr_field_count(); i++)
        compile_free_steps(program->steps[i]);
    for (size_t i = 0; i < program->number_count; i++)
        compile_free_steps(program->numbered[i]);
    compile_free_steps(program->unknown);
    free(program->steps);
    free(program->numbered);
    free(program->numbers);
    free(program->field_routes);
    free(program->record_routes);
}

const struct program_step *fr_program_steps(const struct fr_program *program, uint32_t field)
{
    if (field < fr_field_count())
        return program->steps[field];
    for (size_t i = 0; i < program->number_count; i++)
        if (program->numbers[i] == field)
            return program->numbered[i];
    return program->unknown;
}

const struct program_step *fr_program_step_of_route(const struct fr_program *program,
                                                    uint32_t route, uint32_t field)
{
    const struct program_step *step = fr_program_steps(program, field);

    while (step != NULL && step->index != route)
        step = step->next;
    return step;
}
