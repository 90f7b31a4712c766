#include "http/teslemetry_body.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "http/record_keys.h"

/* RFC 3339, UTC, ms. */
static json_t *teslemetry_time(int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    char day[40] = "", text[64];
    struct tm tm;

    if (gmtime_r(&seconds, &tm) == NULL || strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        return json_null();
    snprintf(text, sizeof text, "%s.%03dZ", day, (int)(ms % 1000));
    return json_string(text);
}

/* The content of a record, or of a value. The caller owns it. */
static json_t *teslemetry_content(const struct fr_delivery *d, const json_t *json)
{
    json_t *content = json_object(), *data, *value;
    const char *key;

    if (d->kind == FR_DELIVERY_FIELD) {
        data = json_object();
        json_object_set(data, d->name, (json_t *)json);
        json_object_set_new(content, "data", data);
    } else if ((data = json_object_get(json, "data")) != NULL)
        json_object_set(content, "data", data);
    else
        json_object_foreach((json_t *)json, key, value) if (!record_key_is_general(key))
            json_object_set(content, key, value);
    return content;
}

enum body_added teslemetry_body_add(struct fr_text_buffer *out, const struct fr_delivery *d,
                                    const json_t *json)
{
    int64_t ms = d->created_ms != 0 ? d->created_ms : d->received_ms;
    json_t *content = teslemetry_content(d, json);
    char *text;

    json_object_set_new(content, "createdAt", teslemetry_time(ms));
    json_object_set_new(content, "vin", json_string(d->vin));
    text = json_dumps(content, JSON_COMPACT);
    json_decref(content);
    if (text == NULL)
        out->failed = true;
    else
        fr_text_buffer_add(out, text);
    free(text);
    return BODY_ADDED;
}
