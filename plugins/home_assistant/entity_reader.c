#include "home_assistant/entity_reader.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "home_assistant/alert.h"
#include "home_assistant/slug.h"

#define WITHIN_DEFAULT_MS 60000
#define WITHIN_MAX_S 86400

int fr_entity_reader_config_error(struct fr_entity_reader *r, const yaml_node_t *at,
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

/* ---- values ---------------------------------------------------------------------- */

const char *fr_entity_reader_text(struct fr_entity_reader *r, const yaml_node_t *node)
{
    if (node->type == YAML_SCALAR_NODE)
        return (const char *)node->data.scalar.value;
    fr_entity_reader_config_error(r, node, "expected a word, not a list or a map");
    return NULL;
}

static int entity_read_text(struct fr_entity_reader *r, const yaml_node_t *node, char **to)
{
    const char *text = fr_entity_reader_text(r, node);

    if (text == NULL)
        return -1;
    free(*to);
    *to = strdup(text);
    return *to == NULL ? fr_entity_reader_config_error(r, node, "no memory") : 0;
}

static int entity_read_word(struct fr_entity_reader *r, const yaml_node_t *node,
                            struct fr_words *words)
{
    const char *text = fr_entity_reader_text(r, node);
    char **more = text != NULL ? realloc(words->word, (words->count + 1) * sizeof *more) : NULL;

    if (more == NULL)
        return fr_entity_reader_config_error(r, node, "no memory");
    words->word = more;
    more[words->count] = strdup(text);
    if (more[words->count] == NULL)
        return fr_entity_reader_config_error(r, node, "no memory");
    words->count++;
    return 0;
}

static int entity_read_words(struct fr_entity_reader *r, const yaml_node_t *node,
                             struct fr_words *words)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return entity_read_word(r, node, words);
    for (const yaml_node_item_t *i = node->data.sequence.items.start;
         i < node->data.sequence.items.top; i++)
        if (entity_read_word(r, yaml_document_get_node(&r->document, *i), words) != 0)
            return -1;
    return 0;
}

/* The index of a node's text in a list of words that ends with NULL; -1: a mistake was recorded. */
static int entity_read_choice(struct fr_entity_reader *r, const yaml_node_t *node,
                              const char *const *words)
{
    const char *text = fr_entity_reader_text(r, node);

    if (text == NULL)
        return -1;
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(text, words[i]) == 0)
            return i;
    return fr_entity_reader_config_error(
        r, node, "\"%s\" is not valid here; a valid word is \"%s\"", text, words[0]);
}

static int entity_read_platform(struct fr_entity_reader *r, const yaml_node_t *node,
                                struct fr_entity *e)
{
    const char *const platforms[] = {
        fr_platform_name(FR_PLATFORM_SENSOR), fr_platform_name(FR_PLATFORM_BINARY_SENSOR),
        fr_platform_name(FR_PLATFORM_DEVICE_TRACKER), fr_platform_name(FR_PLATFORM_EVENT), NULL};
    int platform = entity_read_choice(r, node, platforms);

    e->platform = platform < 0 ? FR_PLATFORM_SENSOR : (enum fr_platform)platform;
    return platform < 0 ? -1 : 0;
}

static int entity_read_bit(struct fr_entity_reader *r, const yaml_node_t *node, struct fr_entity *e)
{
    static const char *const doors[] = {
        "DriverFront", "DriverRear", "PassengerFront", "PassengerRear", "TrunkFront",
        "TrunkRear",   NULL}; /* in the order of enum fr_door */
    int bit = entity_read_choice(r, node, doors);

    e->bit = bit < 0 ? 0 : 1u << bit;
    return bit < 0 ? -1 : 0;
}

static int entity_read_invalid(struct fr_entity_reader *r, const yaml_node_t *node,
                               struct fr_entity *e)
{
    if (entity_read_text(r, node, &e->invalid_state) != 0)
        return -1;
    e->when_invalid = strcmp(e->invalid_state, "unknown") == 0 ? FR_INVALID_UNKNOWN
                      : strcmp(e->invalid_state, "keep") == 0  ? FR_INVALID_KEEP
                                                               : FR_INVALID_STATE;
    return 0;
}

static int entity_read_precision(struct fr_entity_reader *r, const yaml_node_t *node,
                                 struct fr_entity *e)
{
    static const char *const digits[] = {"0", "1", "2", "3", "4", "5", "6", NULL};

    e->precision = entity_read_choice(r, node, digits);
    return e->precision < 0 ? -1 : 0;
}

static int entity_read_sources(struct fr_entity_reader *r, const yaml_node_t *node,
                               struct fr_entity *e, enum fr_gather gather)
{
    if (e->from.count != 0)
        return fr_entity_reader_config_error(
            r, node, "an entity has only one of `field:`, `from:`, `any:`, `max:` and `product:`");
    e->gather = gather;
    if (entity_read_words(r, node, &e->from) != 0)
        return -1;
    if (e->from.count == 0 || e->from.count > FR_ENTITY_SOURCES_MAX)
        return fr_entity_reader_config_error(r, node, "an entity needs 1 to %d fields",
                                             FR_ENTITY_SOURCES_MAX);
    return 0;
}

static int entity_read_category(struct fr_entity_reader *r, const yaml_node_t *node,
                                struct fr_entity *e)
{
    static const char *const words[] = {"diagnostic", NULL};

    e->diagnostic = entity_read_choice(r, node, words) == 0;
    return e->diagnostic ? 0 : -1;
}

static int entity_read_enabled(struct fr_entity_reader *r, const yaml_node_t *node,
                               struct fr_entity *e)
{
    static const char *const words[] = {"true", "false", NULL};
    int word = entity_read_choice(r, node, words);

    e->disabled = word == 1;
    return word < 0 ? -1 : 0;
}

static int entity_read_scale(struct fr_entity_reader *r, const yaml_node_t *node,
                             struct fr_entity *e)
{
    const char *text = fr_entity_reader_text(r, node);
    char *end;

    if (text == NULL)
        return -1;
    e->scale = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(e->scale) && e->scale != 0
               ? 0
               : fr_entity_reader_config_error(r, node, "\"%s\" is not a factor such as 0.001",
                                               text);
}

static int entity_read_within(struct fr_entity_reader *r, const yaml_node_t *node,
                              struct fr_entity *e)
{
    const char *text = fr_entity_reader_text(r, node);
    char *end;
    long seconds;

    if (text == NULL)
        return -1;
    errno = 0;
    seconds = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || seconds < 1 || seconds > WITHIN_MAX_S)
        return fr_entity_reader_config_error(
            r, node, "\"%s\" is not a number of seconds from 1 to %d", text, WITHIN_MAX_S);
    e->within_ms = (int64_t)seconds * 1000;
    return 0;
}

/* ---- one entity ------------------------------------------------------------------ */

static int entity_read_key(struct fr_entity_reader *r, const yaml_node_t *at, const char *key,
                           const yaml_node_t *value, struct fr_entity *e)
{
    struct {
        const char *key;
        char **to;
    } const texts[] = {{"name", &e->name}, {"class", &e->device_class}, {"state", &e->state_class},
                       {"unit", &e->unit}, {"icon", &e->icon},          {NULL, NULL}};

    for (int i = 0; texts[i].key != NULL; i++)
        if (strcmp(key, texts[i].key) == 0)
            return entity_read_text(r, value, texts[i].to);
    if (strcmp(key, "platform") == 0)
        return entity_read_platform(r, value, e);
    if (strcmp(key, "field") == 0 || strcmp(key, "from") == 0)
        return entity_read_sources(r, value, e, FR_GATHER_FIRST);
    if (strcmp(key, "any") == 0)
        return entity_read_sources(r, value, e, FR_GATHER_ANY);
    if (strcmp(key, "max") == 0)
        return entity_read_sources(r, value, e, FR_GATHER_MAX);
    if (strcmp(key, "product") == 0)
        return entity_read_sources(r, value, e, FR_GATHER_PRODUCT);
    if (strcmp(key, "scale") == 0)
        return entity_read_scale(r, value, e);
    if (strcmp(key, "within") == 0)
        return entity_read_within(r, value, e);
    if (strcmp(key, "enabled") == 0)
        return entity_read_enabled(r, value, e);
    if (strcmp(key, "options") == 0)
        return entity_read_words(r, value, &e->options);
    if (strcmp(key, "on_if") == 0)
        return entity_read_words(r, value, &e->on_if);
    if (strcmp(key, "bit") == 0)
        return entity_read_bit(r, value, e);
    if (strcmp(key, "invalid") == 0)
        return entity_read_invalid(r, value, e);
    if (strcmp(key, "precision") == 0)
        return entity_read_precision(r, value, e);
    if (strcmp(key, "category") == 0)
        return entity_read_category(r, value, e);
    if (strcmp(key, "most") == 0)
        return fr_entity_reader_config_error(r, at, "unknown key `most:`: the key is now `max:`");
    return fr_entity_reader_config_error(
        r, at,
        "unknown key `%s:` of an entity (valid: field, from, any, max, product, scale, within, "
        "name, "
        "platform, class, state, unit, options, on_if, bit, invalid, precision, icon, category, "
        "enabled)",
        key);
}

static int entity_read_check_event(struct fr_entity_reader *r, const yaml_node_t *node,
                                   const struct fr_entity *e)
{
    bool alerts = fr_words_find(&e->from, "alerts") >= 0;

    if (alerts != (e->platform == FR_PLATFORM_EVENT) || (alerts && e->from.count != 1))
        return fr_entity_reader_config_error(
            r, node, "`from: [alerts]` and `platform: event` require each other");
    for (size_t i = 0; alerts && i < e->options.count; i++) {
        size_t kind = 0;

        while (fr_alert_kinds[kind] != NULL &&
               strcmp(fr_alert_kinds[kind], e->options.word[i]) != 0)
            kind++;
        if (fr_alert_kinds[kind] == NULL)
            return fr_entity_reader_config_error(
                r, node, "\"%s\" is no kind of alert (valid: alarm, door_handle, other)",
                e->options.word[i]);
    }
    return alerts && e->options.count == 0
               ? fr_entity_reader_config_error(r, node, "`platform: event` requires `options:`")
               : 0;
}

static int entity_read_check(struct fr_entity_reader *r, const yaml_node_t *node,
                             const struct fr_entity *e)
{
    if (e->name == NULL || e->id[0] == '\0')
        return fr_entity_reader_config_error(r, node,
                                             "the entity has no `name:` of letters or digits");
    if (e->from.count == 0)
        return fr_entity_reader_config_error(r, node, "the entity \"%s\" has no `field:`", e->name);
    if (e->platform == FR_PLATFORM_SENSOR && e->on_if.count != 0 && e->options.count != 2)
        return fr_entity_reader_config_error(
            r, node,
            "`on_if:` of a sensor requires two `options:`, the second for the values of `on_if:`");
    if (e->gather == FR_GATHER_ANY && e->platform != FR_PLATFORM_BINARY_SENSOR)
        return fr_entity_reader_config_error(r, node, "`any:` requires `platform: binary_sensor`");
    if (e->gather == FR_GATHER_MAX && e->platform != FR_PLATFORM_SENSOR)
        return fr_entity_reader_config_error(r, node, "`max:` requires `platform: sensor`");
    if (e->gather == FR_GATHER_PRODUCT &&
        (e->platform != FR_PLATFORM_SENSOR || e->from.count < 2 || e->unit == NULL))
        return fr_entity_reader_config_error(
            r, node, "`product:` requires `platform: sensor`, two or more fields and a `unit:`");
    return entity_read_check_event(r, node, e);
}

int fr_entity_read(struct fr_entity_reader *r, const yaml_node_t *node, struct fr_entity *e)
{
    if (node->type != YAML_MAPPING_NODE)
        return fr_entity_reader_config_error(
            r, node, "an entity is a map: {field: …, name: …, platform: …}");
    e->precision = -1;
    e->scale = 1;
    e->within_ms = WITHIN_DEFAULT_MS;
    for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
         p < node->data.mapping.pairs.top; p++) {
        const yaml_node_t *at = yaml_document_get_node(&r->document, p->key);
        const char *key = fr_entity_reader_text(r, at);

        if (key == NULL ||
            entity_read_key(r, at, key, yaml_document_get_node(&r->document, p->value), e) != 0)
            return -1;
    }
    if (e->name != NULL)
        fr_entity_slug(e->name, e->id, sizeof e->id);
    return entity_read_check(r, node, e);
}
