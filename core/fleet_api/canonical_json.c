#include "fleet_api/canonical_json.h"

#include <stdlib.h>
#include <string.h>

#include "util/go_json.h"
#include "util/memory.h"

static int canonical_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void canonical_object(struct fr_buffer *out, const json_t *object)
{
    size_t count = json_object_size(object), i = 0;
    const char **keys = malloc((count + 1) * sizeof *keys);
    json_t *mutable = (json_t *)(uintptr_t)object; /* jansson's iterators are not const */

    if (keys == NULL) {
        out->failed = true;
        return;
    }
    for (void *at = json_object_iter(mutable); at != NULL && i < count;
         at = json_object_iter_next(mutable, at))
        keys[i++] = json_object_iter_key(at);
    qsort(keys, i, sizeof *keys, canonical_compare);
    fr_buffer_byte(out, '{');
    for (size_t k = 0; k < i; k++) {
        if (k > 0)
            fr_buffer_byte(out, ',');
        fr_go_string(out, keys[k], strlen(keys[k]));
        fr_buffer_byte(out, ':');
        fr_canonical_json(out, json_object_get(object, keys[k]));
    }
    fr_buffer_byte(out, '}');
    free(keys);
}

static void canonical_array(struct fr_buffer *out, const json_t *array)
{
    fr_buffer_byte(out, '[');
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i > 0)
            fr_buffer_byte(out, ',');
        fr_canonical_json(out, json_array_get(array, i));
    }
    fr_buffer_byte(out, ']');
}

void fr_canonical_json(struct fr_buffer *out, const json_t *value)
{
    /* The depth is bounded by jansson's parser. */
    if (json_is_object(value))
        canonical_object(out, value);
    else if (json_is_array(value))
        canonical_array(out, value);
    else if (json_is_string(value))
        fr_go_string(out, json_string_value(value), json_string_length(value));
    else if (json_is_integer(value))
        fr_buffer_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        fr_go_double(out, json_real_value(value));
    else
        fr_buffer_text(out, json_is_true(value) ? "true" : json_is_false(value) ? "false" : "null");
}

char *fr_canonical_json_text(const json_t *value)
{
    struct fr_buffer out = {0};
    char *text = NULL;

    fr_canonical_json(&out, value);
    if (!out.failed)
        text = fr_strndup((const char *)out.bytes, out.len);
    fr_buffer_free(&out);
    return text;
}
