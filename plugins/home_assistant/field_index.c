#include "home_assistant/field_index.h"

#include <stdlib.h>
#include <string.h>

#include "home_assistant/slug.h"
#include "text_hash.h"

#define BUCKETS 1024

/* An entity for a field that the catalogue does not contain. */
struct made_entity {
    struct made_entity *next;
    struct fr_entity entity;
    char *field; /* owned; also the entity's name */
};

struct fr_field_index {
    struct fr_field_use *buckets[BUCKETS];
    struct made_entity *made;
    size_t made_count;
};

static bool field_index_add_use(struct fr_field_index *index, const struct fr_entity *entity,
                                size_t input)
{
    struct fr_field_use *use = calloc(1, sizeof *use), **at;

    if (use == NULL)
        return false;
    use->field = entity->from.word[input];
    use->entity = entity;
    use->input = input;
    at = &index->buckets[fr_text_hash(use->field) % BUCKETS];
    while (*at != NULL) /* append: keep the order of the catalogue */
        at = &(*at)->next;
    *at = use;
    return true;
}

static const struct fr_field_use *field_index_match(const struct fr_field_use *use,
                                                    const char *field)
{
    while (use != NULL && strcmp(use->field, field) != 0)
        use = use->next;
    return use;
}

const struct fr_field_use *fr_field_use_next(const struct fr_field_use *use)
{
    return field_index_match(use->next, use->field);
}

const struct fr_field_use *fr_field_index_find(const struct fr_field_index *index,
                                               const char *field)
{
    return field_index_match(index->buckets[fr_text_hash(field) % BUCKETS], field);
}

const struct fr_field_use *fr_field_index_add(struct fr_field_index *index,
                                              const struct fr_delivery *d)
{
    struct made_entity *made =
        index->made_count < FR_UNKNOWN_FIELDS_MAX ? calloc(1, sizeof *made) : NULL;

    if (made == NULL)
        return NULL;
    index->made_count++;
    made->next = index->made;
    index->made = made;
    made->field = strdup(d->field_name);
    made->entity = (struct fr_entity){
        .name = made->field,
        .platform = d->value.kind == FR_VALUE_BOOL ? FR_PLATFORM_BINARY_SENSOR : FR_PLATFORM_SENSOR,
        .from = {&made->field, 1},
        .precision = -1,
    };
    if (made->field == NULL || !field_index_add_use(index, &made->entity, 0))
        return NULL;
    fr_entity_slug(made->field, made->entity.id, sizeof made->entity.id);
    return fr_field_index_find(index, made->field);
}

void fr_field_index_free(struct fr_field_index *index)
{
    if (index == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct fr_field_use *use = index->buckets[i], *next; use != NULL; use = next) {
            next = use->next;
            free(use);
        }
    while (index->made != NULL) {
        struct made_entity *next = index->made->next;

        free(index->made->field);
        free(index->made);
        index->made = next;
    }
    free(index);
}

struct fr_field_index *fr_field_index_new(const struct fr_entities *entities)
{
    struct fr_field_index *index = calloc(1, sizeof *index);
    bool ok = index != NULL;

    for (size_t i = 0; ok && i < fr_entities_count(entities); i++) {
        const struct fr_entity *entity = fr_entities_get(entities, i);

        for (size_t k = 0; ok && k < entity->from.count; k++)
            ok = field_index_add_use(index, entity, k);
    }
    if (ok)
        return index;
    fr_field_index_free(index);
    return NULL;
}
