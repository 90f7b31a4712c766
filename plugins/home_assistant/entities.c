#include "home_assistant/entities.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "home_assistant/entity_reader.h"

#define ENTITIES_MAX 2000

struct fr_entities {
    struct fr_entity *list;
    size_t count;
};

static int entities_check_unique(struct fr_entity_reader *r, const yaml_node_t *node,
                                 const struct fr_entities *all)
{
    const struct fr_entity *last = &all->list[all->count - 1];

    for (size_t i = 0; i + 1 < all->count; i++)
        if (strcmp(all->list[i].id, last->id) == 0)
            return fr_entity_reader_config_error(r, node, "the entity \"%s\" is defined twice",
                                                 all->list[i].name);
    return 0;
}

static int entities_read_list(struct fr_entity_reader *r, const yaml_node_t *list, bool derived,
                              struct fr_entities *all)
{
    if (list->type != YAML_SEQUENCE_NODE)
        return fr_entity_reader_config_error(r, list,
                                             "expected a list, with each entity after a dash");
    for (const yaml_node_item_t *i = list->data.sequence.items.start;
         i < list->data.sequence.items.top; i++) {
        const yaml_node_t *node = yaml_document_get_node(&r->document, *i);
        struct fr_entity *more;

        if (all->count == ENTITIES_MAX)
            return fr_entity_reader_config_error(r, node, "the file has more than %d entities",
                                                 ENTITIES_MAX);
        more = realloc(all->list, (all->count + 1) * sizeof *more);
        if (more == NULL)
            return fr_entity_reader_config_error(r, node, "no memory");
        all->list = more;
        memset(&more[all->count++], 0, sizeof *more);
        more[all->count - 1].derived = derived;
        if (fr_entity_read(r, node, &more[all->count - 1]) != 0 ||
            entities_check_unique(r, node, all) != 0)
            return -1;
    }
    return 0;
}

static int entities_read_root(struct fr_entity_reader *r, struct fr_entities *all)
{
    const yaml_node_t *root = yaml_document_get_root_node(&r->document);

    if (root == NULL || root->type != YAML_MAPPING_NODE) {
        snprintf(r->why, r->why_size, "%s: the file has neither `derived:` nor `fields:`", r->path);
        return -1;
    }
    for (const yaml_node_pair_t *p = root->data.mapping.pairs.start;
         p < root->data.mapping.pairs.top; p++) {
        const yaml_node_t *at = yaml_document_get_node(&r->document, p->key);
        const yaml_node_t *list = yaml_document_get_node(&r->document, p->value);
        const char *key = fr_entity_reader_text(r, at);

        if (key == NULL)
            return -1;
        if (strcmp(key, "derived") != 0 && strcmp(key, "fields") != 0)
            return fr_entity_reader_config_error(r, at,
                                                 "unknown key `%s:` (valid: derived, fields)", key);
        if (entities_read_list(r, list, strcmp(key, "derived") == 0, all) != 0)
            return -1;
    }
    return 0;
}

static int entities_parse(struct fr_entity_reader *r, yaml_parser_t *parser,
                          struct fr_entities *all)
{
    int status = -1;

    if (!yaml_parser_load(parser, &r->document))
        snprintf(r->why, r->why_size, "%s:%zu:%zu: %s", r->path, parser->problem_mark.line + 1,
                 parser->problem_mark.column + 1,
                 parser->problem != NULL ? parser->problem : "not YAML");
    else {
        status = entities_read_root(r, all);
        yaml_document_delete(&r->document);
    }
    return status;
}

/* Load a catalogue from `file`, or from `text` if `file` is NULL. */
static struct fr_entities *entities_load(const char *path, FILE *file, const char *text, size_t len,
                                         char *why, size_t why_size)
{
    struct fr_entity_reader r = {.path = path, .why = why, .why_size = why_size};
    struct fr_entities *all = calloc(1, sizeof *all);
    yaml_parser_t parser;
    int status = -1;

    why[0] = '\0';
    if (all == NULL || !yaml_parser_initialize(&parser))
        snprintf(why, why_size, "no memory");
    else {
        if (file != NULL)
            yaml_parser_set_input_file(&parser, file);
        else
            yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
        status = entities_parse(&r, &parser, all);
        yaml_parser_delete(&parser);
    }
    if (status == 0)
        return all;
    fr_entities_free(all);
    return NULL;
}

struct fr_entities *fr_entities_parse(const char *text, size_t len, const char *path, char *why,
                                      size_t why_size)
{
    return entities_load(path, NULL, text, len, why, why_size);
}

struct fr_entities *fr_entities_load(const char *path, char *why, size_t why_size)
{
    FILE *file = fopen(path, "rb");
    struct fr_entities *all;

    if (file == NULL) {
        snprintf(why, why_size,
                 "%s: %s; set `entities:` to the path of fleetroute's file entities.yaml", path,
                 strerror(errno));
        return NULL;
    }
    all = entities_load(path, file, NULL, 0, why, why_size);
    fclose(file);
    return all;
}

void fr_entities_free(struct fr_entities *all)
{
    if (all == NULL)
        return;
    for (size_t i = 0; i < all->count; i++)
        fr_entity_clear(&all->list[i]);
    free(all->list);
    free(all);
}

size_t fr_entities_count(const struct fr_entities *all)
{
    return all->count;
}

const struct fr_entity *fr_entities_get(const struct fr_entities *all, size_t n)
{
    assert(n < all->count);
    return &all->list[n];
}
