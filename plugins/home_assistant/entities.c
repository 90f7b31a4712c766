/* entities.yaml to a list of entities. libyaml builds the tree; here it is looked through. */
#include "home_assistant/entities.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define ENTITIES_MAX 2000

struct fr_entities {
    struct fr_entity *list;
    size_t count;
};

struct reader {
    const char *path;
    yaml_document_t document;
    char *why; /* "" until something is wrong */
    size_t why_size;
};

/* ---- what is wrong --------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static int wrong(struct reader *r, const yaml_node_t *at,
                                                       const char *format, ...)
{
    char mistake[256];
    va_list ap;

    if (r->why[0] != '\0')
        return -1;
    va_start(ap, format);
    vsnprintf(mistake, sizeof mistake, format, ap);
    va_end(ap);
    snprintf(r->why, r->why_size, "%s:%zu:%zu: %s", r->path, at->start_mark.line + 1,
             at->start_mark.column + 1, mistake);
    return -1;
}

/* ---- pieces ---------------------------------------------------------------------- */

static const char *text_of(struct reader *r, const yaml_node_t *node)
{
    if (node->type == YAML_SCALAR_NODE)
        return (const char *)node->data.scalar.value;
    wrong(r, node, "here belongs a word, not a list or a map");
    return NULL;
}

static int set_text(struct reader *r, const yaml_node_t *node, char **to)
{
    const char *text = text_of(r, node);

    if (text == NULL)
        return -1;
    free(*to);
    *to = strdup(text);
    return *to == NULL ? wrong(r, node, "no memory") : 0;
}

static int add_word(struct reader *r, const yaml_node_t *node, struct fr_words *words)
{
    const char *text = text_of(r, node);
    char **more = text != NULL ? realloc(words->word, (words->count + 1) * sizeof *more) : NULL;

    if (more == NULL)
        return wrong(r, node, "no memory");
    words->word = more;
    more[words->count] = strdup(text);
    if (more[words->count] == NULL)
        return wrong(r, node, "no memory");
    words->count++;
    return 0;
}

static int set_words(struct reader *r, const yaml_node_t *node, struct fr_words *words)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return add_word(r, node, words);
    for (const yaml_node_item_t *i = node->data.sequence.items.start;
         i < node->data.sequence.items.top; i++)
        if (add_word(r, yaml_document_get_node(&r->document, *i), words) != 0)
            return -1;
    return 0;
}

/* One of the words of a list that ends with NULL; -1: none of them. */
static int one_of(struct reader *r, const yaml_node_t *node, const char *const *words)
{
    const char *text = text_of(r, node);

    if (text == NULL)
        return -1;
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(text, words[i]) == 0)
            return i;
    return wrong(r, node, "\"%s\" is not possible here; such as \"%s\" is", text, words[0]);
}

static const char *const platforms[] = {"sensor", "binary_sensor", "device_tracker", NULL};

static int set_platform(struct reader *r, const yaml_node_t *node, struct fr_entity *e)
{
    int platform = one_of(r, node, platforms);

    e->platform = platform < 0 ? FR_PLATFORM_SENSOR : (enum fr_platform)platform;
    return platform < 0 ? -1 : 0;
}

static int set_bit(struct reader *r, const yaml_node_t *node, struct fr_entity *e)
{
    static const char *const doors[] = {
        "DriverFront", "DriverRear", "PassengerFront", "PassengerRear", "TrunkFront",
        "TrunkRear",   NULL}; /* in the order of enum fr_door */
    int bit = one_of(r, node, doors);

    e->bit = bit < 0 ? 0 : 1u << bit;
    return bit < 0 ? -1 : 0;
}

static int set_invalid(struct reader *r, const yaml_node_t *node, struct fr_entity *e)
{
    if (set_text(r, node, &e->invalid_state) != 0)
        return -1;
    e->when_invalid = strcmp(e->invalid_state, "unknown") == 0 ? FR_INVALID_UNKNOWN
                      : strcmp(e->invalid_state, "keep") == 0  ? FR_INVALID_KEEP
                                                               : FR_INVALID_STATE;
    return 0;
}

static int set_precision(struct reader *r, const yaml_node_t *node, struct fr_entity *e)
{
    static const char *const digits[] = {"0", "1", "2", "3", "4", "5", "6", NULL};

    e->precision = one_of(r, node, digits);
    return e->precision < 0 ? -1 : 0;
}

static int set_sources(struct reader *r, const yaml_node_t *node, struct fr_entity *e,
                       enum fr_gather gather)
{
    if (e->from.count != 0)
        return wrong(r, node, "an entity has one of `field:`, `from:`, `any:` and `most:`");
    e->gather = gather;
    if (set_words(r, node, &e->from) != 0)
        return -1;
    if (e->from.count == 0 || e->from.count > FR_ENTITY_SOURCES_MAX)
        return wrong(r, node, "an entity is made of 1 to %d fields", FR_ENTITY_SOURCES_MAX);
    return 0;
}

static int set_category(struct reader *r, const yaml_node_t *node, struct fr_entity *e)
{
    static const char *const words[] = {"diagnostic", NULL};

    e->diagnostic = one_of(r, node, words) == 0;
    return e->diagnostic ? 0 : -1;
}

/* ---- one entity ------------------------------------------------------------------ */

static int set_key(struct reader *r, const yaml_node_t *at, const char *key,
                   const yaml_node_t *value, struct fr_entity *e)
{
    struct {
        const char *key;
        char **to;
    } const texts[] = {{"name", &e->name}, {"class", &e->device_class}, {"state", &e->state_class},
                       {"unit", &e->unit}, {"icon", &e->icon},          {NULL, NULL}};

    for (int i = 0; texts[i].key != NULL; i++)
        if (strcmp(key, texts[i].key) == 0)
            return set_text(r, value, texts[i].to);
    if (strcmp(key, "platform") == 0)
        return set_platform(r, value, e);
    if (strcmp(key, "field") == 0 || strcmp(key, "from") == 0)
        return set_sources(r, value, e, FR_GATHER_FIRST);
    if (strcmp(key, "any") == 0)
        return set_sources(r, value, e, FR_GATHER_ANY);
    if (strcmp(key, "most") == 0)
        return set_sources(r, value, e, FR_GATHER_MOST);
    if (strcmp(key, "options") == 0)
        return set_words(r, value, &e->options);
    if (strcmp(key, "on_if") == 0)
        return set_words(r, value, &e->on_if);
    if (strcmp(key, "bit") == 0)
        return set_bit(r, value, e);
    if (strcmp(key, "invalid") == 0)
        return set_invalid(r, value, e);
    if (strcmp(key, "precision") == 0)
        return set_precision(r, value, e);
    if (strcmp(key, "category") == 0)
        return set_category(r, value, e);
    return wrong(r, at,
                 "an entity has no `%s:` (field, from, any, most, name, platform, class, state, "
                 "unit, options, on_if, bit, invalid, precision, icon, category)",
                 key);
}

static int is_whole(struct reader *r, const yaml_node_t *node, const struct fr_entity *e)
{
    if (e->name == NULL || e->id[0] == '\0')
        return wrong(r, node, "the entity has no `name:` of letters or digits");
    if (e->from.count == 0)
        return wrong(r, node, "the entity \"%s\" has no `field:`", e->name);
    if (e->gather == FR_GATHER_ANY && e->platform != FR_PLATFORM_BINARY_SENSOR)
        return wrong(r, node, "`any:` makes a binary_sensor");
    if (e->gather == FR_GATHER_MOST && e->platform != FR_PLATFORM_SENSOR)
        return wrong(r, node, "`most:` makes a sensor");
    return 0;
}

static int read_entity(struct reader *r, const yaml_node_t *node, struct fr_entity *e)
{
    if (node->type != YAML_MAPPING_NODE)
        return wrong(r, node, "an entity is a map: {field: …, name: …, platform: …}");
    e->precision = -1;
    for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
         p < node->data.mapping.pairs.top; p++) {
        const yaml_node_t *at = yaml_document_get_node(&r->document, p->key);
        const char *key = text_of(r, at);

        if (key == NULL ||
            set_key(r, at, key, yaml_document_get_node(&r->document, p->value), e) != 0)
            return -1;
    }
    if (e->name != NULL)
        fr_entity_slug(e->name, e->id, sizeof e->id);
    return is_whole(r, node, e);
}

/* ---- the file -------------------------------------------------------------------- */

static int is_new(struct reader *r, const yaml_node_t *node, const struct fr_entities *all)
{
    const struct fr_entity *last = &all->list[all->count - 1];

    for (size_t i = 0; i + 1 < all->count; i++)
        if (strcmp(all->list[i].id, last->id) == 0)
            return wrong(r, node, "there is an entity \"%s\" already", all->list[i].name);
    return 0;
}

static int read_list(struct reader *r, const yaml_node_t *list, bool derived,
                     struct fr_entities *all)
{
    if (list->type != YAML_SEQUENCE_NODE)
        return wrong(r, list, "here belongs a list, each entity after a dash");
    for (const yaml_node_item_t *i = list->data.sequence.items.start;
         i < list->data.sequence.items.top; i++) {
        const yaml_node_t *node = yaml_document_get_node(&r->document, *i);
        struct fr_entity *more = realloc(all->list, (all->count + 1) * sizeof *more);

        if (more == NULL || all->count == ENTITIES_MAX)
            return wrong(r, node, "there are more than %d entities", ENTITIES_MAX);
        all->list = more;
        memset(&more[all->count++], 0, sizeof *more);
        more[all->count - 1].derived = derived;
        if (read_entity(r, node, &more[all->count - 1]) != 0 || is_new(r, node, all) != 0)
            return -1;
    }
    return 0;
}

static int read_root(struct reader *r, struct fr_entities *all)
{
    const yaml_node_t *root = yaml_document_get_root_node(&r->document);

    if (root == NULL || root->type != YAML_MAPPING_NODE) {
        snprintf(r->why, r->why_size, "%s: it has neither `derived:` nor `fields:`", r->path);
        return -1;
    }
    for (const yaml_node_pair_t *p = root->data.mapping.pairs.start;
         p < root->data.mapping.pairs.top; p++) {
        const yaml_node_t *at = yaml_document_get_node(&r->document, p->key);
        const yaml_node_t *list = yaml_document_get_node(&r->document, p->value);
        const char *key = text_of(r, at);

        if (key == NULL)
            return -1;
        if (strcmp(key, "derived") != 0 && strcmp(key, "fields") != 0)
            return wrong(r, at, "there is no `%s:` here (derived, fields)", key);
        if (read_list(r, list, strcmp(key, "derived") == 0, all) != 0)
            return -1;
    }
    return 0;
}

static int parse(struct reader *r, yaml_parser_t *parser, struct fr_entities *all)
{
    int status = -1;

    if (!yaml_parser_load(parser, &r->document))
        snprintf(r->why, r->why_size, "%s:%zu:%zu: %s", r->path, parser->problem_mark.line + 1,
                 parser->problem_mark.column + 1,
                 parser->problem != NULL ? parser->problem : "not YAML");
    else {
        status = read_root(r, all);
        yaml_document_delete(&r->document);
    }
    return status;
}

/* From a file, or (NULL) from text. */
static struct fr_entities *load(const char *path, FILE *file, const char *text, size_t len,
                                char *why, size_t why_size)
{
    struct reader r = {.path = path, .why = why, .why_size = why_size};
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
        status = parse(&r, &parser, all);
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
    return load(path, NULL, text, len, why, why_size);
}

struct fr_entities *fr_entities_load(const char *path, char *why, size_t why_size)
{
    FILE *file = fopen(path, "rb");
    struct fr_entities *all;

    if (file == NULL) {
        snprintf(why, why_size, "%s: %s", path, strerror(errno));
        return NULL;
    }
    all = load(path, file, NULL, 0, why, why_size);
    fclose(file);
    return all;
}

static void free_words(struct fr_words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->word[i]);
    free(words->word);
}

void fr_entities_free(struct fr_entities *all)
{
    if (all == NULL)
        return;
    for (size_t i = 0; i < all->count; i++) {
        struct fr_entity *e = &all->list[i];

        free(e->name);
        free(e->device_class);
        free(e->state_class);
        free(e->unit);
        free(e->icon);
        free(e->invalid_state);
        free_words(&e->from);
        free_words(&e->options);
        free_words(&e->on_if);
    }
    free(all->list);
    free(all);
}

size_t fr_entities_count(const struct fr_entities *all)
{
    return all->count;
}

const struct fr_entity *fr_entities_get(const struct fr_entities *all, size_t n)
{
    return &all->list[n];
}

int fr_words_find(const struct fr_words *words, const char *word)
{
    for (size_t i = 0; i < words->count; i++)
        if (strcmp(words->word[i], word) == 0)
            return (int)i;
    return -1;
}

const char *fr_platform_name(enum fr_platform platform)
{
    return platforms[platform];
}
