#include "config/yaml_values.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/renamed_keys.h"
#include "config/suggest.h"

/* Whether `name` is one of `keys`. */
static bool yaml_is_one_of(const char *name, const char *const *keys)
{
    while (*keys != NULL && strcmp(*keys, name) != 0)
        keys++;
    return *keys != NULL;
}

/* Report an unknown key of the map `what`, with the nearest valid key. */
static void yaml_report_unknown_key(const struct fr_yaml_file *file, const struct fr_yaml *key,
                                    const char *what, const char *const *keys)
{
    struct fr_suggestion suggestion = fr_suggest_begin(key->text);
    const char *renamed = fr_renamed_key(key->text), *best;

    for (size_t i = 0; keys[i] != NULL; i++)
        fr_suggest_try(&suggestion, keys[i]);
    best = fr_suggest_best(&suggestion);
    if (renamed != NULL && yaml_is_one_of(renamed, keys))
        fr_yaml_config_error(file, key, "%s has no \"%s\": the key is now \"%s\"", what, key->text,
                             renamed);
    else if (best != NULL)
        fr_yaml_config_error(file, key, "%s has no \"%s\"; did you mean \"%s\"?", what, key->text,
                             best);
    else
        fr_yaml_config_error(file, key, "%s has no \"%s\"%s", what, key->text,
                             yaml_is_one_of("options", keys)
                                 ? "; an option of the plugin must be indented below `options:`"
                                 : "");
}

void fr_yaml_check_key(const struct fr_yaml_file *file, const struct fr_yaml *key, const char *what,
                       const char *const *keys)
{
    if (!yaml_is_one_of(key->text, keys))
        yaml_report_unknown_key(file, key, what, keys);
}

bool fr_yaml_is_map(const struct fr_yaml_file *file, const struct fr_yaml *node, const char *what,
                    const char *const *keys)
{
    if (node->kind != FR_YAML_MAP) {
        bool empty = node->kind == FR_YAML_TEXT && node->text[0] == '\0';

        fr_yaml_config_error(file, node, "%s must be a map with keys such as %s:%s", what, keys[0],
                             empty ? " (indented deeper than this line)" : "");
        return false;
    }
    for (size_t i = 0; i < node->count; i++)
        fr_yaml_check_key(file, node->keys[i], what, keys);
    return true;
}

const char *fr_yaml_text(const struct fr_yaml_file *file, const struct fr_yaml *node,
                         const char *what, const char *default_value)
{
    if (node == NULL)
        return default_value;
    if (node->kind != FR_YAML_TEXT) {
        fr_yaml_config_error(file, node, "%s must be a single text", what);
        return default_value;
    }
    return node->text;
}

int64_t fr_yaml_integer(const struct fr_yaml_file *file, const struct fr_yaml *node,
                        const char *what, int64_t min, int64_t max, int64_t default_value)
{
    const char *text = fr_yaml_text(file, node, what, NULL);
    char *end;
    long long number;

    if (text == NULL)
        return default_value;
    errno = 0;
    number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < min || number > max) {
        fr_yaml_config_error(file, node, "%s must be a whole number from %lld to %lld, not \"%s\"",
                             what, (long long)min, (long long)max, text);
        return default_value;
    }
    return number;
}

double fr_yaml_real(const struct fr_yaml_file *file, const struct fr_yaml *node, const char *what,
                    double default_value)
{
    const char *text = fr_yaml_text(file, node, what, NULL);
    char *end;
    double number;

    if (text == NULL)
        return default_value;
    number = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(number) || number < 0) {
        fr_yaml_config_error(file, node, "%s must be a number of 0 or more, not \"%s\"", what,
                             text);
        return default_value;
    }
    return number;
}

bool fr_parse_boolean(const char *text, bool *value)
{
    *value = strcasecmp(text, "true") == 0 || strcasecmp(text, "yes") == 0 ||
             strcasecmp(text, "on") == 0;
    return *value || strcasecmp(text, "false") == 0 || strcasecmp(text, "no") == 0 ||
           strcasecmp(text, "off") == 0;
}

bool fr_yaml_boolean(const struct fr_yaml_file *file, const struct fr_yaml *node, const char *what,
                     bool default_value)
{
    const char *text = fr_yaml_text(file, node, what, NULL);
    bool value;

    if (text == NULL)
        return default_value;
    if (!fr_parse_boolean(text, &value)) {
        fr_yaml_config_error(file, node, "%s must be true or false, not \"%s\"", what, text);
        return default_value;
    }
    return value;
}

struct yaml_unit {
    const char *suffix;
    double factor;
};

static bool yaml_parse_scaled(const char *text, const struct yaml_unit *units, int64_t *result)
{
    char *end;
    double number = strtod(text, &end);

    if (end == text || !(number >= 0) || number > 9e15)
        return false;
    while (*end == ' ')
        end++;
    for (; units->suffix != NULL; units++)
        if (strcmp(units->suffix, end) == 0) {
            if (number * units->factor > 9e15)
                return false;
            *result = (int64_t)llround(number * units->factor);
            return true;
        }
    return false;
}

bool fr_parse_duration(const char *text, int64_t *ms)
{
    static const struct yaml_unit units[] = {{"ms", 1},        {"s", 1000},    {"min", 60000},
                                             {"m", 60000},     {"h", 3600000}, {"d", 86400000},
                                             {"w", 604800000}, {NULL, 0}};

    if (strcmp(text, "0") == 0) {
        *ms = 0;
        return true;
    }
    return yaml_parse_scaled(text, units, ms);
}

bool fr_parse_size(const char *text, int64_t *bytes)
{
    static const struct yaml_unit units[] = {{"", 1},
                                             {"B", 1},
                                             {"kB", 1e3},
                                             {"MB", 1e6},
                                             {"GB", 1e9},
                                             {"TB", 1e12},
                                             {"KiB", 1024},
                                             {"MiB", 1048576.},
                                             {"GiB", 1073741824.},
                                             {"TiB", 1099511627776.},
                                             {NULL, 0}};

    return yaml_parse_scaled(text, units, bytes);
}

int64_t fr_yaml_duration(const struct fr_yaml_file *file, const struct fr_yaml *node,
                         const char *what, int64_t default_value)
{
    const char *text = fr_yaml_text(file, node, what, NULL);
    int64_t ms;

    if (text == NULL)
        return default_value;
    if (!fr_parse_duration(text, &ms)) {
        fr_yaml_config_error(
            file, node,
            "%s must be a time with its unit (500 ms, 5 s, 10 min, 1 h, 7 d), not \"%s\"", what,
            text);
        return default_value;
    }
    return ms;
}

int64_t fr_yaml_size(const struct fr_yaml_file *file, const struct fr_yaml *node, const char *what,
                     int64_t default_value)
{
    const char *text = fr_yaml_text(file, node, what, NULL);
    int64_t bytes;

    if (text == NULL)
        return default_value;
    if (!fr_parse_size(text, &bytes)) {
        fr_yaml_config_error(
            file, node,
            "%s must be a size in bytes or with its unit (64 kB, 100 MB, 1 GiB), not "
            "\"%s\"",
            what, text);
        return default_value;
    }
    return bytes;
}

void fr_yaml_each_text(const struct fr_yaml_file *file, const struct fr_yaml *node,
                       const char *what, void (*each)(const struct fr_yaml *text, void *ctx),
                       void *ctx)
{
    if (node == NULL)
        return;
    if (node->kind == FR_YAML_TEXT)
        each(node, ctx);
    else if (node->kind == FR_YAML_LIST) {
        for (size_t i = 0; i < node->count; i++) {
            if (node->items[i]->kind == FR_YAML_TEXT)
                each(node->items[i], ctx);
            else
                fr_yaml_config_error(file, node->items[i], "%s must be a list of texts", what);
        }
    } else
        fr_yaml_config_error(file, node, "%s must be a text or a list of texts", what);
}
