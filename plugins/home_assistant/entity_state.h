/*
 * The present state of one entity of one vehicle, derived from the newest value of each of its
 * fields. A value older than the newest value of the same field is ignored.
 *
 * Used on the sink's thread.
 */
#ifndef FR_ENTITY_STATE_H
#define FR_ENTITY_STATE_H

#include "fleetroute/plugin.h"
#include "home_assistant/entity.h"

/* What the plugin has to send for an entity; a bit set. */
enum fr_state_todo {
    FR_TODO_ANNOUNCE = 1 << 0, /* the entity is new, or its name, unit or options have changed */
    FR_TODO_PUBLISH = 1 << 1,  /* its state has changed */
};

/* The newest value of one of the fields that an entity is made of. */
struct fr_entity_input {
    bool seen; /* the field was received */
    bool has_value;
    int64_t created_ms; /* since 1970 */
    double number;      /* for FR_GATHER_MAX and FR_GATHER_PRODUCT */
    char *text;         /* the state that this field alone results in; NULL: none */
};

/* Owns its texts. */
struct fr_entity_state {
    struct fr_entity_state *next; /* of the same vehicle, in the order of first appearance */
    const struct fr_entity *entity;
    char *id;        /* the entity's id, or the slug of the route's `as` */
    char *name;      /* the entity's name, or the route's `as` */
    char *unit;      /* of the received values; NULL: none */
    char *text;      /* the state; NULL: unknown */
    bool is_number;  /* `text` is a JSON number */
    char *unlisted;  /* a state that is not in the catalogue's options; NULL: none */
    unsigned todo;   /* FR_TODO_*; the plugin clears bits */
    bool is_tracker; /* the vehicle's location: use the vehicle's `position` instead of `text` */
    double latitude; /* of any device_tracker, valid if has_position */
    double longitude;
    bool has_position;
    bool incomplete;       /* a product with a field that was never received: do not announce it */
    uint64_t plugin_flags; /* for use by the plugin */
    struct fr_entity_input inputs[]; /* one for each of entity->from */
};

/* Make the state of an entity, which must outlive it. NULL: no memory. */
struct fr_entity_state *fr_entity_state_new(const struct fr_entity *entity, const char *id,
                                            const char *name);
void fr_entity_state_free(struct fr_entity_state *state);

/* Apply a delivered value of entity->from.word[input], and set bits of `todo` for what has changed.
 * Returns false without memory. */
bool fr_entity_state_receive(struct fr_entity_state *state, size_t input,
                             const struct fr_delivery *delivery);

#endif
