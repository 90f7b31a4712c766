#include "plugin/options.h"

#include <stdlib.h>
#include <string.h>

#include "config/suggest.h"
#include "config/yaml_values.h"
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
    const struct fr_yaml *node; /* the `options:` map or, without one, the map of the instance */
};

static const struct fr_option no_options[] = {{0}};

/* The position of a word in "a|b|c", from 0; -1: not found. */
static int64_t options_choice_index(const char *choices, const char *word)
{
    size_t len = strlen(word);
    int64_t index = 0;

    for (const char *at = choices; at != NULL; index++) {
        const char *bar = strchr(at, '|');

        if ((bar != NULL ? (size_t)(bar - at) : strlen(at)) == len && strncmp(at, word, len) == 0)
            return index;
        at = bar != NULL ? bar + 1 : NULL;
    }
    return -1;
}

/* The default value has the same notation as in the configuration file. */
static void options_set_default(const struct fr_option *option, struct value *value)
{
    bool flag = false;

    value->text = option->default_value;
    if (option->default_value == NULL)
        return;
    switch (option->type) {
    case FR_OPTION_INTEGER:
        value->number = strtoll(option->default_value, NULL, 10);
        break;
    case FR_OPTION_BOOLEAN:
        fr_parse_boolean(option->default_value, &flag);
        value->number = flag;
        break;
    case FR_OPTION_DURATION:
        fr_parse_duration(option->default_value, &value->number);
        break;
    case FR_OPTION_SIZE:
        fr_parse_size(option->default_value, &value->number);
        break;
    case FR_OPTION_CHOICE:
        value->number = options_choice_index(option->choices, option->default_value);
        break;
    case FR_OPTION_TEXT:
    case FR_OPTION_PATH:
    case FR_OPTION_MAP:
    default:
        break;
    }
}

static void options_read_map(const struct fr_yaml_file *file, const struct fr_option *option,
                             const struct fr_yaml *node)
{
    if (node->kind != FR_YAML_MAP) {
        fr_yaml_config_error(file, node, "%s must be a map of names and values", option->name);
        return;
    }
    for (size_t i = 0; i < node->count; i++)
        if (node->items[i]->kind != FR_YAML_TEXT)
            fr_yaml_config_error(file, node->items[i], "%s: the value of %s must be a single text",
                                 option->name, node->keys[i]->text);
}

static void options_read_value(const struct fr_yaml_file *file, const struct fr_option *option,
                               const struct fr_yaml *node, struct value *value)
{
    const char *name = option->name;

    value->node = node;
    if (option->type == FR_OPTION_MAP) {
        options_read_map(file, option, node);
        return;
    }
    value->text = fr_yaml_text(file, node, name, value->text);
    switch (option->type) {
    case FR_OPTION_INTEGER:
        value->number = fr_yaml_integer(file, node, name, 0, INT64_MAX, value->number);
        break;
    case FR_OPTION_BOOLEAN:
        value->number = fr_yaml_boolean(file, node, name, value->number != 0);
        break;
    case FR_OPTION_DURATION:
        value->number = fr_yaml_duration(file, node, name, value->number);
        break;
    case FR_OPTION_SIZE:
        value->number = fr_yaml_size(file, node, name, value->number);
        break;
    case FR_OPTION_CHOICE:
        if (value->text != NULL && options_choice_index(option->choices, value->text) < 0)
            fr_yaml_config_error(file, node, "%s must be one of %s, not \"%s\"", name,
                                 option->choices, value->text);
        else if (value->text != NULL)
            value->number = options_choice_index(option->choices, value->text);
        break;
    case FR_OPTION_TEXT:
    case FR_OPTION_PATH:
    case FR_OPTION_MAP:
    default:
        break;
    }
}

static void options_check_names(const struct fr_options *options, const char *plugin,
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
            fr_yaml_config_error(file, node->keys[i],
                                 "plugin %s has no option \"%s\"; did you mean \"%s\"?", plugin,
                                 key, fr_suggest_best(&suggestion));
        else
            fr_yaml_config_error(file, node->keys[i], "plugin %s has no option \"%s\"", plugin,
                                 key);
    }
}

struct fr_options *fr_options_read(const char *plugin, const struct fr_option *declared,
                                   const struct fr_yaml_file *file, const struct fr_yaml *node,
                                   const struct fr_yaml *instance)
{
    struct fr_options *options = fr_calloc(1, sizeof *options);

    options->declared = declared != NULL ? declared : no_options;
    while (options->declared[options->count].name != NULL)
        options->count++;
    options->values = fr_calloc(options->count, sizeof *options->values);
    options->path = file->path;
    options->node = node != NULL ? node : instance;
    if (node != NULL && node->kind == FR_YAML_TEXT && node->text[0] == '\0')
        node = NULL;
    if (node != NULL && node->kind != FR_YAML_MAP) {
        fr_yaml_config_error(file, node, "`options:` must be a map");
        node = NULL;
    }
    if (node != NULL)
        options_check_names(options, plugin, file, node);
    for (size_t i = 0; i < options->count; i++) {
        const struct fr_option *option = &options->declared[i];
        const struct fr_yaml *value = fr_yaml_get(node, option->name);

        options_set_default(option, &options->values[i]);
        if (value != NULL)
            options_read_value(file, option, value, &options->values[i]);
        else if (option->required)
            fr_yaml_config_error(file, options->node, "plugin %s needs the option `%s:` (%s)",
                                 plugin, option->name, option->description);
    }
    return options;
}

bool fr_options_complete(const struct fr_options *options)
{
    for (size_t i = 0; i < options->count; i++)
        if (options->declared[i].required &&
            (options->declared[i].type == FR_OPTION_MAP ? options->values[i].node == NULL
                                                        : options->values[i].text == NULL))
            return false;
    return true;
}

void fr_options_free(struct fr_options *options)
{
    if (options == NULL)
        return;
    free(options->values);
    free(options);
}

static const struct value *options_find(const struct fr_options *options, const char *name)
{
    for (size_t i = 0; i < options->count; i++)
        if (strcmp(options->declared[i].name, name) == 0)
            return &options->values[i];
    return NULL;
}

const char *fr_options_path(const struct fr_options *options, size_t index)
{
    for (size_t i = 0; i < options->count; i++)
        if (options->declared[i].type == FR_OPTION_PATH && options->values[i].text != NULL &&
            index-- == 0)
            return options->values[i].text;
    return NULL;
}

const char *fr_options_text(const struct fr_options *options, const char *name)
{
    const struct value *value = options_find(options, name);

    return value != NULL ? value->text : NULL;
}

int64_t fr_options_number(const struct fr_options *options, const char *name)
{
    const struct value *value = options_find(options, name);

    return value != NULL ? value->number : 0;
}

int fr_options_each(const struct fr_options *options, const char *name,
                    int (*each)(const char *key, const char *text, void *context), void *context)
{
    const struct value *value = options_find(options, name);
    int status = 0;

    if (value == NULL || value->node == NULL)
        return 0;
    for (size_t i = 0; i < value->node->count && status == 0; i++)
        if (value->node->items[i]->kind == FR_YAML_TEXT)
            status = each(value->node->keys[i]->text, value->node->items[i]->text, context);
    return status;
}

void fr_options_config_error(struct fr_options *options, const char *name, const char *key,
                             struct fr_diagnostics *diagnostics, const char *format, va_list ap)
{
    const struct value *value = options_find(options, name);
    const struct fr_yaml *node = value != NULL && value->node != NULL ? value->node : options->node;

    for (size_t i = 0; key != NULL && node->kind == FR_YAML_MAP && i < node->count; i++)
        if (strcmp(node->keys[i]->text, key) == 0) {
            node = node->keys[i];
            break;
        }
    fr_vdiagnose(diagnostics, FR_SEVERITY_ERROR, options->path, node->line, node->column, format,
                 ap);
}
