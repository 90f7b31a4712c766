/*
 * Reads one entity of entities.yaml from the tree of libyaml, and reports mistakes with their line
 * and column. Internal to the catalogue (entities.c).
 */
#ifndef FR_ENTITY_READER_H
#define FR_ENTITY_READER_H

#include <yaml.h>

#include "home_assistant/entity.h"

/* The file that is read. */
struct fr_entity_reader {
    const char *path; /* for messages */
    yaml_document_t document;
    char *why; /* the first mistake; "" if there is none */
    size_t why_size;
};

/* Record a mistake at a node, unless one is recorded already. Always returns -1. */
__attribute__((format(printf, 3, 4))) int
fr_entity_reader_config_error(struct fr_entity_reader *reader, const yaml_node_t *at,
                              const char *format, ...);

/* The text of a scalar node, owned by the document. NULL: a mistake was recorded. */
const char *fr_entity_reader_text(struct fr_entity_reader *reader, const yaml_node_t *node);

/* Read a node into a zeroed entity. Returns 0, or -1 after a mistake was recorded. The caller
 * clears the entity in both cases. */
int fr_entity_read(struct fr_entity_reader *reader, const yaml_node_t *node,
                   struct fr_entity *entity);

#endif
