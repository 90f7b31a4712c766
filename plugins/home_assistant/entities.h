/*
 * entities.h - the entity catalogue: what fields are in Home Assistant. Read from entities.yaml,
 * which an administrator may replace by a copy of his own.
 */
#ifndef FR_ENTITIES_H
#define FR_ENTITIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fr_platform {
    FR_PLATFORM_SENSOR,
    FR_PLATFORM_BINARY_SENSOR,
    FR_PLATFORM_DEVICE_TRACKER,
};

/* How an entity's state comes from several fields. */
enum fr_gather {
    FR_GATHER_FIRST, /* the first of them that has ever had a value */
    FR_GATHER_ANY,   /* on if one of them is */
    FR_GATHER_MOST,  /* the greatest */
};

/* What is shown while a field has no value. */
enum fr_when_invalid {
    FR_INVALID_UNKNOWN,
    FR_INVALID_KEEP,
    FR_INVALID_STATE, /* `invalid_state` */
};

struct fr_words {
    char **word;
    size_t count;
};

#define FR_ENTITY_SOURCES_MAX 8
#define FR_ENTITY_ID_SIZE 64

struct fr_entity {
    char *name;
    char id[FR_ENTITY_ID_SIZE]; /* made of the name: "shift_state" */
    enum fr_platform platform;
    bool derived; /* not a field's own entity */
    enum fr_gather gather;
    struct fr_words from; /* names of fields, or "presence" */
    char *device_class;   /* these: NULL where there is none */
    char *state_class;
    char *unit;
    char *icon;
    bool diagnostic;
    struct fr_words options;
    struct fr_words on_if;
    uint32_t bit; /* 0: any */
    enum fr_when_invalid when_invalid;
    char *invalid_state;
    int precision; /* -1: not said */
};

struct fr_entities;

/* Read a catalogue. NULL: `why` tells what is wrong, with file, line and column. */
struct fr_entities *fr_entities_load(const char *path, char *why, size_t why_size);

/* The same from text; `path` is what messages call it. */
struct fr_entities *fr_entities_parse(const char *text, size_t len, const char *path, char *why,
                                      size_t why_size);
void fr_entities_free(struct fr_entities *entities);

size_t fr_entities_count(const struct fr_entities *entities);

/* The n-th entity; holds as long as the catalogue. */
const struct fr_entity *fr_entities_get(const struct fr_entities *entities, size_t n);

/* The place of a word among others, or -1. */
int fr_words_find(const struct fr_words *words, const char *word);

/* A name as part of an entity's id, as Home Assistant would make it: small letters, digits and
 * single underscores, accents left out. */
void fr_entity_slug(const char *name, char *slug, size_t size);

/* Whether Home Assistant takes a unit for a device class; it refuses the class with another. */
bool fr_class_has_unit(const char *device_class, const char *unit);

/* Platforms as Home Assistant calls them. */
const char *fr_platform_name(enum fr_platform platform);

#endif
