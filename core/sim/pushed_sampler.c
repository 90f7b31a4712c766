#include "sim/pushed_sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "record/value.h"
#include "util/memory.h"

#define METRES_PER_DEGREE 111194.9

struct pushed_state {
    const struct fr_pushed_field *field; /* NULL: not configured */
    struct fr_sim_datum last;
    int64_t sent_ms;
    bool sent;
};

struct fr_pushed_sampler {
    size_t count;
    struct pushed_state states[]; /* by field number */
};

struct fr_pushed_sampler *fr_pushed_sampler_new(const struct fr_pushed_config *config)
{
    size_t count = fr_field_count();
    struct fr_pushed_sampler *sampler =
        fr_calloc(1, sizeof *sampler + count * sizeof *sampler->states);

    sampler->count = count;
    for (size_t i = 0; i < config->count; i++)
        sampler->states[config->fields[i].field->number].field = &config->fields[i];
    return sampler;
}

void fr_pushed_sampler_free(struct fr_pushed_sampler *sampler)
{
    free(sampler);
}

bool fr_pushed_sampler_has(const struct fr_pushed_sampler *sampler, uint32_t field)
{
    return field < sampler->count && sampler->states[field].field != NULL;
}

/* The distance of two locations in metres; accurate for locations near each other. */
static double pushed_distance(const struct fr_sim_datum *a, const struct fr_sim_datum *b)
{
    double north = (a->real - b->real) * METRES_PER_DEGREE;
    double east = (a->real2 - b->real2) * METRES_PER_DEGREE * cos(a->real * acos(-1) / 180);

    return hypot(north, east);
}

static bool pushed_changed(const struct fr_sim_datum *a, const struct fr_sim_datum *b, double delta)
{
    double change;

    switch (a->member) {
    case FR_MEMBER_STRING:
        return strcmp(a->text, b->text) != 0;
    case FR_MEMBER_DOUBLE:
        change = fabs(a->real - b->real);
        break;
    case FR_MEMBER_INT:
    case FR_MEMBER_LONG:
        change = fabs((double)a->integer - (double)b->integer);
        break;
    case FR_MEMBER_LOCATION:
        change = pushed_distance(a, b);
        break;
    default: /* booleans and enums: the delta does not apply */
        return a->integer != b->integer;
    }
    return change > 0 && change >= delta;
}

static bool pushed_is_due(const struct pushed_state *state, const struct fr_sim_datum *value,
                          int64_t ms)
{
    int64_t waited = ms - state->sent_ms;

    if (!state->sent)
        return true;
    if (waited < state->field->interval_ms)
        return false;
    return pushed_changed(&state->last, value, state->field->minimum_delta) ||
           (state->field->resend_ms > 0 && waited >= state->field->resend_ms);
}

size_t fr_pushed_sampler_select(struct fr_pushed_sampler *sampler, int64_t ms,
                                const struct fr_sim_datum *values, size_t count,
                                struct fr_sim_datum *due)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        struct pushed_state *state;

        if (!fr_pushed_sampler_has(sampler, values[i].field))
            continue;
        state = &sampler->states[values[i].field];
        if (!pushed_is_due(state, &values[i], ms))
            continue;
        state->last = values[i];
        state->sent_ms = ms;
        state->sent = true;
        due[n++] = values[i];
    }
    return n;
}
