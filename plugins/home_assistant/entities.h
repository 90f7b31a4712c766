/*
 * The entity catalogue: how the fields of vehicles appear in Home Assistant. The format of the file
 * is described in fleetroute-entities(5); the administrator may replace the installed
 * entities.yaml.
 *
 * A catalogue does not change after it was loaded; any thread may read it.
 */
#ifndef FR_ENTITIES_H
#define FR_ENTITIES_H

#include "home_assistant/entity.h"

struct fr_entities;

/* Load a catalogue. The caller frees it. Returns NULL on failure: `why` contains the file, line,
 * column and cause. */
struct fr_entities *fr_entities_load(const char *path, char *why, size_t why_size);

/* Load a catalogue from `len` bytes of text; `path` is used in messages. Otherwise the same. */
struct fr_entities *fr_entities_parse(const char *text, size_t len, const char *path, char *why,
                                      size_t why_size);

/* Free a catalogue; NULL is allowed. */
void fr_entities_free(struct fr_entities *entities);

size_t fr_entities_count(const struct fr_entities *entities);

/* The entity at index `n`, in the order of the file. Valid as long as the catalogue. */
const struct fr_entity *fr_entities_get(const struct fr_entities *entities, size_t n);

#endif
