#include "fleet_api/config_compare.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/text_digest.h"
#include "util/memory.h"

/* Vehicles dial this port if the configuration has none. */
#define DEFAULT_PORT 443

/* Characters of a value in a message. */
#define VALUE_MAX 120

/* ---- the canonical form ----------------------------------------------------------- */

/* A number that is whole is an integer. Other numbers keep 6 digits: an answer may have been stored
 * with single precision. */
static json_t *compare_number(const json_t *number)
{
    double value = json_number_value(number);
    char text[32];

    if (value == floor(value) && fabs(value) < 1e15)
        return json_integer((json_int_t)value);
    snprintf(text, sizeof text, "%.6g", value);
    return json_real(strtod(text, NULL));
}

/* Whether a key of a field means the same as its absence. */
static bool compare_is_empty(const json_t *value)
{
    return json_is_null(value) || (json_is_number(value) && json_number_value(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0);
}

static json_t *compare_copy(json_t *value)
{
    return json_is_number(value) ? compare_number(value) : json_incref(value);
}

/* The keys of one field, or a value that is no object. */
static json_t *compare_field(json_t *field)
{
    json_t *keys, *value;
    const char *name;

    if (!json_is_object(field))
        return compare_copy(field);
    keys = json_object();
    json_object_foreach(field, name, value)
    {
        if (compare_is_empty(value))
            continue;
        json_object_set_new(keys, name, compare_copy(value));
    }
    return keys;
}

static json_t *compare_fields(const json_t *config)
{
    json_t *fields = json_object(), *value;
    const char *name;

    json_object_foreach(json_object_get(config, "fields"), name, value)
        json_object_set_new(fields, name, compare_field(value));
    return fields;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The alert types, sorted and each once; an array without other values. */
static json_t *compare_alerts(const json_t *config)
{
    const json_t *types = json_object_get(config, "alert_types");
    json_t *sorted = json_array();
    size_t count = 0;
    const char **texts = fr_calloc(json_array_size(types) + 1, sizeof *texts);

    for (size_t i = 0; i < json_array_size(types); i++)
        if (json_is_string(json_array_get(types, i)))
            texts[count++] = json_string_value(json_array_get(types, i));
    qsort(texts, count, sizeof *texts, compare_texts);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(texts[i], texts[i - 1]) != 0)
            json_array_append_new(sorted, json_string(texts[i]));
    free(texts);
    return sorted;
}

/* A text without white space or, with `lower`, in lower case; "" if there is none. */
static json_t *compare_text(const json_t *config, const char *key, bool lower)
{
    const char *text = json_string_value(json_object_get(config, key));
    char *copy = fr_strdup(text != NULL ? text : "");
    size_t len = 0;
    json_t *result;

    for (size_t i = 0; copy[i] != '\0'; i++) {
        if (isspace((unsigned char)copy[i]))
            continue;
        copy[len++] =
            lower && copy[i] >= 'A' && copy[i] <= 'Z' ? (char)(copy[i] - 'A' + 'a') : copy[i];
    }
    copy[len] = '\0';
    result = json_string(copy);
    free(copy);
    return result;
}

/* Read a text; the caller releases it. Integers of any size become reals: one that does not fit an
 * integer makes no text unreadable. */
static json_t *compare_parse(const char *text)
{
    return text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL)
                        : NULL;
}

/* What counts of a configuration. NULL: the text is no JSON object. */
static json_t *compare_read(const char *text)
{
    json_t *config = compare_parse(text);
    const json_t *port = json_object_get(config, "port");
    json_t *canonical = NULL;

    if (json_is_object(config)) {
        canonical = json_object();
        json_object_set_new(canonical, "hostname", compare_text(config, "hostname", true));
        json_object_set_new(canonical, "port",
                            json_is_number(port) ? compare_number(port)
                                                 : json_integer(DEFAULT_PORT));
        json_object_set_new(canonical, "ca", compare_text(config, "ca", false));
        json_object_set_new(canonical, "delivery_policy",
                            compare_text(config, "delivery_policy", false));
        json_object_set_new(canonical, "alert_types", compare_alerts(config));
        json_object_set_new(canonical, "fields", compare_fields(config));
    }
    json_decref(config);
    return canonical;
}

/* ---- the difference --------------------------------------------------------------- */

struct compare_text {
    char *text;
    size_t size;
};

/* A value as JSON in printable ASCII, cut. Returns `text`. */
static const char *compare_value(const json_t *value, char text[VALUE_MAX])
{
    char *dump;

    if (value == NULL) {
        snprintf(text, VALUE_MAX, "not set");
        return text;
    }
    dump = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_ENSURE_ASCII |
                                 JSON_REAL_PRECISION(6));
    snprintf(text, VALUE_MAX, "%s", dump != NULL ? dump : "?");
    free(dump);
    for (char *c = text; *c != '\0'; c++)
        if (!isprint((unsigned char)*c))
            *c = '?';
    return text;
}

/* A name from an answer in printable ASCII, cut. Returns `text`. */
static const char *compare_name(const char *name, char text[VALUE_MAX])
{
    snprintf(text, VALUE_MAX, "%s", name);
    for (char *c = text; *c != '\0'; c++)
        if (!isprint((unsigned char)*c))
            *c = '?';
    return text;
}

static void compare_report(const struct compare_text *out, const char *prefix, const char *key,
                           const json_t *vehicle, const json_t *routes)
{
    char in_vehicle[VALUE_MAX], in_routes[VALUE_MAX], name[VALUE_MAX];

    snprintf(out->text, out->size, "%s%s is %s in the vehicle, %s in the routes", prefix,
             compare_name(key, name), compare_value(vehicle, in_vehicle),
             compare_value(routes, in_routes));
}

/* Report the first difference between the keys of a field. */
static bool compare_keys_differ(const struct compare_text *out, const char *field, json_t *vehicle,
                                json_t *routes)
{
    char name[VALUE_MAX], prefix[VALUE_MAX + 2];
    const char *key;
    json_t *value;

    if (json_equal(vehicle, routes))
        return false;
    if (!json_is_object(vehicle) || !json_is_object(routes)) {
        compare_report(out, "", field, vehicle, routes);
        return true;
    }
    snprintf(prefix, sizeof prefix, "%s: ", compare_name(field, name));
    json_object_foreach(routes, key, value)
    {
        if (!json_equal(json_object_get(vehicle, key), value)) {
            compare_report(out, prefix, key, json_object_get(vehicle, key), value);
            return true;
        }
    }
    json_object_foreach(vehicle, key, value)
    {
        if (json_object_get(routes, key) == NULL) {
            compare_report(out, prefix, key, value, NULL);
            return true;
        }
    }
    return false;
}

static bool compare_fields_differ(const struct compare_text *out, json_t *vehicle, json_t *routes)
{
    char cleaned[VALUE_MAX];
    const char *name;
    json_t *value;

    json_object_foreach(routes, name, value)
    {
        if (json_object_get(vehicle, name) == NULL) {
            snprintf(out->text, out->size, "%s is in the routes and not in the vehicle",
                     compare_name(name, cleaned));
            return true;
        }
        if (compare_keys_differ(out, name, json_object_get(vehicle, name), value))
            return true;
    }
    json_object_foreach(vehicle, name, value)
    {
        if (json_object_get(routes, name) == NULL) {
            snprintf(out->text, out->size, "%s is in the vehicle and not in the routes",
                     compare_name(name, cleaned));
            return true;
        }
    }
    return false;
}

static bool compare_differ(const struct compare_text *out, json_t *vehicle, json_t *routes)
{
    static const char *const keys[] = {"hostname", "port", "delivery_policy", "alert_types"};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const json_t *in_vehicle = json_object_get(vehicle, keys[i]);
        const json_t *in_routes = json_object_get(routes, keys[i]);

        if (!json_equal(in_vehicle, in_routes)) {
            compare_report(out, "", keys[i], in_vehicle, in_routes);
            return true;
        }
    }
    if (!json_equal(json_object_get(vehicle, "ca"), json_object_get(routes, "ca"))) {
        snprintf(out->text, out->size,
                 "ca: the vehicle has other CA certificates than this server needs");
        return true;
    }
    return compare_fields_differ(out, json_object_get(vehicle, "fields"),
                                 json_object_get(routes, "fields"));
}

/* ---- interface -------------------------------------------------------------------- */

bool fr_config_equal(const char *vehicle, const char *routes, char *difference, size_t size)
{
    struct compare_text out = {difference, size};
    json_t *in_vehicle = compare_read(vehicle), *in_routes = compare_read(routes);
    bool equal = false;

    if (size > 0)
        difference[0] = '\0';
    if (in_vehicle == NULL || in_routes == NULL)
        snprintf(difference, size, "the configuration of the %s is no JSON object",
                 in_vehicle == NULL ? "vehicle" : "routes");
    else
        equal = !compare_differ(&out, in_vehicle, in_routes);
    json_decref(in_vehicle);
    json_decref(in_routes);
    return equal;
}

bool fr_config_digest(const char *config, char digest[65])
{
    json_t *canonical = compare_read(config);
    char *text;

    digest[0] = '\0';
    if (canonical == NULL)
        return false;
    json_object_del(canonical, "ca");
    text = json_dumps(canonical, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(6));
    json_decref(canonical);
    if (text == NULL)
        return false;
    fr_text_digest(text, digest);
    free(text);
    return true;
}

int64_t fr_config_exp(const char *config)
{
    json_t *object = compare_parse(config);
    double exp = json_number_value(json_object_get(object, "exp"));

    json_decref(object);
    return exp >= 1 && exp < 1e12 ? (int64_t)exp : 0;
}

bool fr_config_is_of_other_key(const char *config, const char *issuer)
{
    json_t *object = compare_parse(config);
    const char *iss = json_string_value(json_object_get(object, "iss"));
    bool other = iss != NULL && issuer != NULL && strcmp(iss, issuer) != 0;

    json_decref(object);
    return other;
}
