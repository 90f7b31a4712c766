#include "mqtt/tesla_topics.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text_buffer.h"

#define NAME_MAX_BYTES 100 /* of an alert's or error's name in a topic */

void tesla_topics_value(const struct topics *t, struct fr_delivery *d)
{
    char topic[TOPIC_SIZE];
    size_t len;
    const char *value = t->host->value(t->sink, d, &len);

    snprintf(topic, sizeof topic, "%s/%s/v/%s", t->base, d->vin, d->name);
    broker_publish(t->broker, topic, value, len, t->retain, d);
}

/* ---- records --------------------------------------------------------------------- */

/* Publishes and frees `json`. `name` may come from a vehicle: what divides topics is replaced. */
static void publish_json(const struct topics *t, struct fr_delivery *d, const char *kind,
                         const char *name, const char *end, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    struct fr_text_buffer topic = {0};

    fr_text_buffer_printf(&topic, "%s/%s/%s%s", t->base, d->vin, kind, name != NULL ? "/" : "");
    for (size_t i = 0; name != NULL && name[i] != '\0' && i < NAME_MAX_BYTES; i++)
        fr_text_buffer_byte(&topic, strchr("/+#", name[i]) != NULL ? '_' : name[i]);
    if (name != NULL)
        fr_text_buffer_add(&topic, end);
    if (text != NULL)
        broker_publish(t->broker, fr_text_buffer_string(&topic), text, strlen(text), t->retain, d);
    fr_text_buffer_free(&topic);
    free(text);
    json_decref(json);
}

/* "2026-01-01T00:00:00.123Z" to the second, as Tesla's server writes it. */
static json_t *moment(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    char shown[32];

    if (text == NULL)
        return json_null();
    snprintf(shown, sizeof shown, "%.19s%s", text, strlen(text) > 19 ? "Z" : "");
    return json_string(shown);
}

static json_t *alert_of(const json_t *alert)
{
    json_t *audiences = json_object_get(alert, "audiences");

    return json_pack("{s:o, s:o, s:o}", "Audiences",
                     audiences != NULL ? json_incref(audiences) : json_array(), "StartedAt",
                     moment(alert, "startedAt"), "EndedAt", moment(alert, "endedAt"));
}

static bool begins_later(const json_t *a, const json_t *b)
{
    const char *x = json_string_value(json_object_get(a, "startedAt"));
    const char *y = json_string_value(json_object_get(b, "startedAt"));

    return y == NULL || (x != NULL && strcmp(x, y) > 0);
}

static void publish_alerts(const struct topics *t, struct fr_delivery *d, const json_t *alerts)
{
    size_t i, k;
    json_t *alert, *other;

    json_array_foreach(alerts, i, alert)
    {
        const char *name = json_string_value(json_object_get(alert, "name"));
        json_t *history = json_array();
        const json_t *newest = alert;
        bool first = name != NULL && name[0] != '\0';

        json_array_foreach(alerts, k, other)
        {
            const char *its = json_string_value(json_object_get(other, "name"));

            if (name == NULL || its == NULL || strcmp(name, its) != 0)
                continue;
            first = first && k >= i; /* each name once */
            json_array_append_new(history, alert_of(other));
            if (begins_later(other, newest))
                newest = other;
        }
        if (first) {
            publish_json(t, d, "alerts", name, "/current", alert_of(newest));
            publish_json(t, d, "alerts", name, "/history", json_incref(history));
        }
        json_decref(history);
    }
}

static void publish_errors(const struct topics *t, struct fr_delivery *d, const json_t *errors)
{
    size_t i;
    json_t *error;

    json_array_foreach(errors, i, error)
    {
        const char *name = json_string_value(json_object_get(error, "name"));
        json_t *body = json_object_get(error, "body"), *tags = json_object_get(error, "tags");

        if (name != NULL && name[0] != '\0')
            publish_json(t, d, "errors", name, "",
                         json_pack("{s:o, s:o, s:o}", "Body",
                                   body != NULL ? json_incref(body) : json_string(""), "CreatedAt",
                                   moment(error, "createdAt"), "Tags",
                                   tags != NULL ? json_incref(tags) : json_object()));
    }
}

static void publish_connectivity(const struct topics *t, struct fr_delivery *d, const json_t *root)
{
    json_t *id = json_object_get(root, "connectionId"), *status = json_object_get(root, "status");

    publish_json(t, d, d->record_type, NULL, "",
                 json_pack("{s:o, s:o, s:o}", "ConnectionId",
                           id != NULL ? json_incref(id) : json_null(), "Status",
                           status != NULL ? json_incref(status) : json_null(), "CreatedAt",
                           moment(root, "created_at")));
}

static void publish_whole(const struct topics *t, struct fr_delivery *d)
{
    char topic[TOPIC_SIZE];

    snprintf(topic, sizeof topic, "%s/%s/%s", t->base, d->vin, d->record_type);
    broker_publish(t->broker, topic, (const char *)d->bytes, d->len, t->retain, d);
}

void tesla_topics_record(const struct topics *t, struct fr_delivery *d)
{
    json_t *root = d->format == FR_FORMAT_JSON
                       ? json_loadb((const char *)d->bytes, d->len, JSON_DISABLE_EOF_CHECK, NULL)
                       : NULL;

    if (root != NULL && strcmp(d->record_type, "alerts") == 0)
        publish_alerts(t, d, json_object_get(root, "alerts"));
    else if (root != NULL && strcmp(d->record_type, "errors") == 0)
        publish_errors(t, d, json_object_get(root, "errors"));
    else if (root != NULL && (strcmp(d->record_type, "connectivity") == 0 ||
                              strcmp(d->record_type, "presence") == 0))
        publish_connectivity(t, d, root);
    else
        publish_whole(t, d);
    json_decref(root);
}
