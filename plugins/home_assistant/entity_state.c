#include "home_assistant/entity_state.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "home_assistant/position.h"
#include "home_assistant/state_text.h"

/* Replace a text by a copy of `new_text` (NULL: none). Returns false without memory. */
static bool entity_state_replace_text(char **text, const char *new_text)
{
    char *copy = new_text != NULL ? strdup(new_text) : NULL;

    if (new_text != NULL && copy == NULL)
        return false;
    free(*text);
    *text = copy;
    return true;
}

static bool entity_state_equal(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

struct fr_entity_state *fr_entity_state_new(const struct fr_entity *entity, const char *id,
                                            const char *name)
{
    struct fr_entity_state *s = calloc(1, sizeof *s + entity->from.count * sizeof *s->inputs);

    if (s == NULL)
        return NULL;
    s->entity = entity;
    s->id = strdup(id);
    s->name = strdup(name);
    s->todo = FR_TODO_ANNOUNCE | FR_TODO_PUBLISH;
    s->incomplete = entity->gather == FR_GATHER_PRODUCT;
    s->is_tracker = entity->platform == FR_PLATFORM_DEVICE_TRACKER &&
                    strcmp(entity->from.word[0], "Location") == 0;
    if (s->id != NULL && s->name != NULL)
        return s;
    fr_entity_state_free(s);
    return NULL;
}

void fr_entity_state_free(struct fr_entity_state *s)
{
    for (size_t i = 0; i < s->entity->from.count; i++)
        free(s->inputs[i].text);
    free(s->id);
    free(s->name);
    free(s->unit);
    free(s->text);
    free(s->unlisted);
    free(s);
}

/* The input that determines the state; NULL: none was received. */
static const struct fr_entity_input *entity_state_choose_input(const struct fr_entity_state *s)
{
    const struct fr_entity_input *best = NULL;

    for (size_t i = 0; i < s->entity->from.count; i++) {
        const struct fr_entity_input *input = &s->inputs[i];

        if (!input->seen)
            continue;
        if (best == NULL ||
            (s->entity->gather == FR_GATHER_MAX && input->has_value &&
             (!best->has_value || input->number > best->number)) ||
            (s->entity->gather == FR_GATHER_ANY && entity_state_equal(input->text, "on")) ||
            (s->entity->gather != FR_GATHER_MAX && !best->has_value && input->has_value))
            best = input;
    }
    return best;
}

/* The product of all inputs; no value if one has none, or if they were not measured together. */
static void entity_state_multiply(struct fr_entity_state *s, struct fr_state_text *state)
{
    int64_t oldest = INT64_MAX, newest = 0;
    double product = s->entity->scale;

    *state = (struct fr_state_text){.has_value = true};
    s->incomplete = false;
    for (size_t i = 0; i < s->entity->from.count; i++) {
        const struct fr_entity_input *input = &s->inputs[i];

        s->incomplete = s->incomplete || !input->seen;
        state->has_value = state->has_value && input->has_value;
        oldest = input->created_ms < oldest ? input->created_ms : oldest;
        newest = input->created_ms > newest ? input->created_ms : newest;
        product *= input->number;
    }
    if (newest - oldest > s->entity->within_ms)
        state->has_value = false;
    if (!state->has_value)
        return;
    fr_state_text_number(product, s->entity->precision, state);
    s->is_number = state->has_value;
}

/* Derive the state from the inputs. Returns false without memory. */
static bool entity_state_update_text(struct fr_entity_state *s)
{
    const struct fr_entity_input *input = entity_state_choose_input(s);
    bool has_value = input == NULL || input->has_value;
    const char *text = input != NULL ? input->text : NULL;
    struct fr_state_text product;

    if (s->entity->gather == FR_GATHER_PRODUCT) {
        entity_state_multiply(s, &product);
        has_value = product.has_value;
        text = product.text;
    }
    if (!has_value) {
        if (s->entity->when_invalid == FR_INVALID_KEEP && s->text != NULL)
            return true;
        text = s->entity->when_invalid == FR_INVALID_STATE ? s->entity->invalid_state : NULL;
    }
    if (entity_state_equal(text, s->text))
        return true;
    s->todo |= FR_TODO_PUBLISH;
    return entity_state_replace_text(&s->text, text);
}

/* The unit of an entity in Home Assistant's spelling; NULL: none. */
static const char *entity_state_unit(const struct fr_entity *entity, const char *unit)
{
    if (entity->platform != FR_PLATFORM_SENSOR ||
        (entity->device_class != NULL && strcmp(entity->device_class, "timestamp") == 0))
        return NULL;
    if (unit[0] == '\0' || entity->gather == FR_GATHER_PRODUCT)
        return entity->unit;
    return strcmp(unit, "mi/h") == 0 ? "mph" : unit;
}

bool fr_entity_state_receive(struct fr_entity_state *s, size_t index, const struct fr_delivery *d)
{
    struct fr_entity_input *input = &s->inputs[index];
    int64_t created = d->created_ms != 0 ? d->created_ms : d->received_ms;
    const char *unit = entity_state_unit(s->entity, d->unit);
    struct fr_state_text state;

    if (input->seen && created < input->created_ms)
        return true;
    fr_state_text(s->entity, d, &state);
    input->seen = true;
    input->created_ms = created;
    input->has_value = state.has_value;
    input->number = state.number;
    if (state.has_value)
        s->is_number = state.is_number;
    if (!entity_state_equal(unit, s->unit)) {
        s->todo |= FR_TODO_ANNOUNCE | FR_TODO_PUBLISH;
        if (!entity_state_replace_text(&s->unit, unit))
            return false;
    }
    if (state.unlisted && !entity_state_equal(s->unlisted, state.text)) {
        s->todo |= FR_TODO_ANNOUNCE | FR_TODO_PUBLISH;
        if (!entity_state_replace_text(&s->unlisted, state.text))
            return false;
    }
    if (fr_position_is_valid(d)) {
        s->latitude = d->value.location.latitude;
        s->longitude = d->value.location.longitude;
        s->has_position = true;
    } else
        s->has_position = false;
    return entity_state_replace_text(&input->text, state.has_value ? state.text : NULL) &&
           entity_state_update_text(s);
}
