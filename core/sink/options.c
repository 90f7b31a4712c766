#include "sink/options.h"

#include <stdlib.h>
#include <string.h>

#include "config/suggest.h"
#include "util/memory.h"

struct value {
    const char *text;
    int64_t number;
    const struct fr_yaml *node; /* NULL: the default */
};

struct fr_options {
    const struct fr_option *declared; /* ends with a NULL name */
    size_t count;
    struct value *values;
    const char *path;
    const struct fr_yaml *node; /* the options' map, or the sink where there is none */
};

static const struct fr_option none[] = {{0}};

/* The place of a word in "a|b|c", or -1. */
static int64_t place_in(const char *choices, const char *word)
{
    size_t len = strlen(word);
    int64_t place = 0;

    for (const char *at = choices; at != NULL; place++) {
        const char *bar = strchr(at, '|');

        if ((bar != NULL ? (size_t)(bar - at) : strlen(at)) == len && strncmp(at, word, len) == 0)
            return place;
        at = bar != NULL ? bar + 1 : NULL;
    }
    return -1;
}

/* The default, written by the plugin's author as it would stand in the file. */
static void take_initial(const struct fr_option *option, struct value *value)
{
    bool flag = false;

    value->text = option->initial;
    if (option->initial == NULL)
        return;
    switch (option->type) {
    case FR_OPTION_INTEGER:
        value->number = strtoll(option->initial, NULL, 10);
        break;
    case FR_OPTION_BOOLEAN:
        fr_parse_boolean(option->initial, &flag);
        value->number = flag;
        break;
    case FR_OPTION_DURATION:
        fr_parse_duration(option->initial, &value->number);
        break;
    case FR_OPTION_SIZE:
        fr_parse_size(option->initial, &value->number);
        break;
    case FR_OPTION_CHOICE:
        value->number = place_in(option->choices, option->initial);
        break;
    case FR_OPTION_TEXT:
    case FR_OPTION_PATH:
    case FR_OPTION_MAP:
    default:
        break;
    }
}

static void read_map(const struct fr_yaml_file *file, const struct fr_option *option,
                     const struct fr_yaml *node)
{
    if (node->kind != FR_YAML_MAP) {
        fr_yaml_wrong(file, node, "%s must be a map of names and values", option->name);
        return;
    }
    for (size_t i = 0; i < node->count; i++)
        if (node->items[i]->kind != FR_YAML_TEXT)
            fr_yaml_wrong(file, node->items[i], "%s: the value of %s must be one text",
                          option->name, node->keys[i]->text);
}

static void read_value(const struct fr_yaml_file *file, const struct fr_option *option,
                       const struct fr_yaml *node, struct value *value)
{
    const char *what = option->name;

    value->node = node;
    if (option->type == FR_OPTION_MAP) {
        read_map(file, option, node);
        return;
    }
    value->text = fr_yaml_text(file, node, what, value->text);
    switch (option->type) {
    case FR_OPTION_INTEGER:
        value->number = fr_yaml_integer(file, node, what, 0, INT64_MAX, value->number);
        break;
    case FR_OPTION_BOOLEAN:
        value->number = fr_yaml_boolean(file, node, what, value->number != 0);
        break;
    case FR_OPTION_DURATION:
        value->number = fr_yaml_duration(file, node, what, value->number);
        break;
    case FR_OPTION_SIZE:
        value->number = fr_yaml_size(file, node, what, value->number);
        break;
    case FR_OPTION_CHOICE:
        if (value->text != NULL && place_in(option->choices, value->text) < 0)
            fr_yaml_wrong(file, node, "%s must be one of %s, not \"%s\"", what, option->choices,
                          value->text);
        else if (value->text != NULL)
            value->number = place_in(option->choices, value->text);
        break;
    case FR_OPTION_TEXT:
    case FR_OPTION_PATH:
    case FR_OPTION_MAP:
    default:
        break;
    }
}

static void find_unknown(const struct fr_options *options, const char *plugin,
                         const struct fr_yaml_file *file, const struct fr_yaml *node)
{
    for (size_t i = 0; i < node->count; i++) {
        const char *key = node->keys[i]->text;
        struct fr_suggestion suggestion = fr_suggest_begin(key);
        size_t k = 0;

        while (k < options->count && strcmp(options->declared[k].name, key) != 0)
            fr_suggest_try(&suggestion, options->declared[k++].name);
        if (k < options->count)
            continue;
        if (fr_suggest_best(&suggestion) != NULL)
            fr_yaml_wrong(file, node->keys[i],
                          "plugin %s has no option \"%s\"; did you mean \"%s\"?", plugin, key,
                          fr_suggest_best(&suggestion));
        else
            fr_yaml_wrong(file, node->keys[i], "plugin %s has no option \"%s\"", plugin, key);
    }
}

struct fr_options *fr_options_read(const char *plugin, const struct fr_option *declared,
                                   const struct fr_yaml_file *file, const struct fr_yaml *node,
                                   const struct fr_yaml *sink)
{
    struct fr_options *options = fr_calloc(1, sizeof *options);

    options->declared = declared != NULL ? declared : none;
    while (options->declared[options->count].name != NULL)
        options->count++;
    options->values = fr_calloc(options->count, sizeof *options->values);
    options->path = file->path;
    options->node = node != NULL ? node : sink;
    if (node != NULL && node->kind == FR_YAML_TEXT && node->text[0] == '\0')
        node = NULL;
    if (node != NULL && node->kind != FR_YAML_MAP) {
        fr_yaml_wrong(file, node, "`options:` must be a map");
        node = NULL;
    }
    if (node != NULL)
        find_unknown(options, plugin, file, node);
    for (size_t i = 0; i < options->count; i++) {
        const struct fr_option *option = &options->declared[i];
        const struct fr_yaml *value = fr_yaml_get(node, option->name);

        take_initial(option, &options->values[i]);
        if (value != NULL)
            read_value(file, option, value, &options->values[i]);
        else if (option->required)
            fr_yaml_wrong(file, options->node, "plugin %s needs the option `%s:` (%s)", plugin,
                          option->name, option->meaning);
    }
    return options;
}

void fr_options_free(struct fr_options *options)
{
    if (options == NULL)
        return;
    free(options->values);
    free(options);
}

static const struct value *find(const struct fr_options *options, const char *name)
{
    for (size_t i = 0; i < options->count; i++)
        if (strcmp(options->declared[i].name, name) == 0)
            return &options->values[i];
    return NULL;
}

const char *fr_options_path(const struct fr_options *options, size_t place)
{
    for (size_t i = 0; i < options->count; i++)
        if (options->declared[i].type == FR_OPTION_PATH && options->values[i].text != NULL &&
            place-- == 0)
            return options->values[i].text;
    return NULL;
}

const char *fr_options_text(const struct fr_options *options, const char *name)
{
    const struct value *value = find(options, name);

    return value != NULL ? value->text : NULL;
}

int64_t fr_options_number(const struct fr_options *options, const char *name)
{
    const struct value *value = find(options, name);

    return value != NULL ? value->number : 0;
}

int fr_options_each(const struct fr_options *options, const char *name,
                    int (*each)(const char *key, const char *text, void *context), void *context)
{
    const struct value *value = find(options, name);
    int status = 0;

    if (value == NULL || value->node == NULL)
        return 0;
    for (size_t i = 0; i < value->node->count && status == 0; i++)
        if (value->node->items[i]->kind == FR_YAML_TEXT)
            status = each(value->node->keys[i]->text, value->node->items[i]->text, context);
    return status;
}

void fr_options_wrong(struct fr_options *options, const char *name, const char *key,
                      struct fr_diagnostics *diagnostics, const char *format, va_list ap)
{
    const struct value *value = find(options, name);
    const struct fr_yaml *node = value != NULL && value->node != NULL ? value->node : options->node;

    for (size_t i = 0; key != NULL && node->kind == FR_YAML_MAP && i < node->count; i++)
        if (strcmp(node->keys[i]->text, key) == 0) {
            node = node->keys[i];
            break;
        }
    fr_vdiagnose(diagnostics, FR_SEVERITY_ERROR, options->path, node->line, node->column, format,
                 ap);
}
