/*
 * One entity of the catalogue: which fields it is made of, and how Home Assistant displays it.
 */
#ifndef FR_ENTITY_H
#define FR_ENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FR_ENTITY_SOURCES_MAX 8
#define FR_ENTITY_ID_SIZE 64 /* bytes, with the NUL */

enum fr_platform {
    FR_PLATFORM_SENSOR,
    FR_PLATFORM_BINARY_SENSOR,
    FR_PLATFORM_DEVICE_TRACKER,
    FR_PLATFORM_EVENT, /* the live alerts of a vehicle; only MQTT has it */
};

/* How the state of an entity is derived from several fields. */
enum fr_gather {
    FR_GATHER_FIRST,   /* `from:`: the first field that has a value */
    FR_GATHER_ANY,     /* `any:`: on if one of the fields is on */
    FR_GATHER_MAX,     /* `max:`: the greatest number */
    FR_GATHER_PRODUCT, /* `product:`: the product of all fields, times `scale` */
};

/* The state of an entity while its field is invalid. */
enum fr_when_invalid {
    FR_INVALID_UNKNOWN,
    FR_INVALID_KEEP,  /* the last valid state */
    FR_INVALID_STATE, /* `invalid_state` */
};

/* A list of words. Owns its texts. */
struct fr_words {
    char **word;
    size_t count;
};

/* Owns its texts; optional texts are NULL if they are not configured. */
struct fr_entity {
    char *name;
    char id[FR_ENTITY_ID_SIZE]; /* slug of the name: "shift_state" */
    enum fr_platform platform;
    bool derived; /* listed under `derived:`, not the entity of one field */
    enum fr_gather gather;
    struct fr_words from; /* names of fields, "presence" or "alerts" */
    char *device_class;   /* optional */
    char *state_class;    /* optional */
    char *unit;           /* optional */
    char *icon;           /* optional */
    bool diagnostic;
    bool disabled;           /* Home Assistant lists a new entity as disabled */
    struct fr_words options; /* the valid states of a sensor of words */
    struct fr_words on_if; /* the values for which a binary_sensor is on; empty: true. Of a sensor:
                              the values for which it has the second of its two options */
    uint32_t bit;          /* the bit of a bit set that is used; 0: any */
    enum fr_when_invalid when_invalid;
    char *invalid_state;
    int precision;     /* digits after the decimal point; -1: not configured */
    double scale;      /* product: the factor from the product of the units to `unit` */
    int64_t within_ms; /* product: maximum time between the oldest and the newest factor */
};

/* Free the texts of an entity. */
void fr_entity_clear(struct fr_entity *entity);

/* The index of a word in a list, or -1. */
int fr_words_find(const struct fr_words *words, const char *word);

/* The name of a platform in Home Assistant; a static text. */
const char *fr_platform_name(enum fr_platform platform);

#endif
