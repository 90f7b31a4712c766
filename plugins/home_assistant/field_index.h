/*
 * Finds the entities that a field contributes to. Contains the catalogue, and one entity for each
 * field that the catalogue does not contain (a field newer than the catalogue).
 *
 * Used on the sink's thread.
 */
#ifndef FR_FIELD_INDEX_H
#define FR_FIELD_INDEX_H

#include "fleetroute/plugin.h"
#include "home_assistant/entities.h"

#define FR_UNKNOWN_FIELDS_MAX 1000 /* fields that are not in the catalogue */

/* One field that contributes to one entity. Owned by the index and valid as long as the index. */
struct fr_field_use {
    struct fr_field_use *next; /* in the same hash bucket; see fr_field_use_next() */
    const char *field;
    const struct fr_entity *entity;
    size_t input; /* index of the field in entity->from */
};

struct fr_field_index;

/* Make an index of a catalogue, which must outlive it. NULL: no memory. */
struct fr_field_index *fr_field_index_new(const struct fr_entities *entities);
void fr_field_index_free(struct fr_field_index *index);

/* The first use of a field, in the order of the catalogue; NULL: none. */
const struct fr_field_use *fr_field_index_find(const struct fr_field_index *index,
                                               const char *field);

/* The next use of the same field; NULL: none. */
const struct fr_field_use *fr_field_use_next(const struct fr_field_use *use);

/* Add an entity for the field of a delivery that the index does not contain, and return its use.
 * NULL: FR_UNKNOWN_FIELDS_MAX is reached, or no memory. */
const struct fr_field_use *fr_field_index_add(struct fr_field_index *index,
                                              const struct fr_delivery *delivery);

#endif
