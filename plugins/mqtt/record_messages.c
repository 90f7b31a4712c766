#include "mqtt/record_messages.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text_buffer.h"

enum kind { KIND_ALERTS, KIND_ERRORS, KIND_CONNECTIVITY, KIND_WHOLE };

struct record_messages {
    enum kind kind;
    json_t *root;   /* NULL: not fleetroute's JSON */
    json_t *groups; /* alerts: by name, the alerts of that name in an array */
    void *group;    /* iterator: the next of `groups`; NULL: end */
    size_t error;   /* index of the next error */
};

/* ---- JSON ------------------------------------------------------------------------ */

/* "2026-01-01T00:00:00.123Z" truncated to seconds, as Tesla's server writes it. */
static json_t *messages_time(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    char seconds[32];

    if (text == NULL)
        return json_null();
    snprintf(seconds, sizeof seconds, "%.19s%s", text, strlen(text) > 19 ? "Z" : "");
    return json_string(seconds);
}

static json_t *messages_alert_of(const json_t *alert)
{
    json_t *audiences = json_object_get(alert, "audiences");

    return json_pack("{s:o, s:o, s:o}", "Audiences",
                     audiences != NULL ? json_incref(audiences) : json_array(), "StartedAt",
                     messages_time(alert, "startedAt"), "EndedAt", messages_time(alert, "endedAt"));
}

static bool messages_begins_later(const json_t *a, const json_t *b)
{
    const char *x = json_string_value(json_object_get(a, "startedAt"));
    const char *y = json_string_value(json_object_get(b, "startedAt"));

    int order;

    if (x == NULL || y == NULL)
        return y == NULL;
    order = strncmp(x, y, strlen("2026-01-01T00:00:00"));
    if (order != 0)
        return order > 0;
    /* Fractions of 3, 6 or 9 digits, or none. 'Z' is greater than '.'. */
    return strchr(x, '.') != NULL &&
           (strchr(y, '.') == NULL || strcmp(strchr(x, '.'), strchr(y, '.')) > 0);
}

/* ---- publishing ------------------------------------------------------------------ */

/* Publish `json` and release it. */
static void messages_publish_json(const struct topics *t, struct job *job, const char *kind,
                                  const char *name, const char *end, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    struct fr_text_buffer topic = {0};

    tesla_topic(&topic, t, job->delivery, kind);
    if (name != NULL) {
        tesla_topic_name(&topic, t, job->delivery, kind, name, strlen(name));
        fr_text_buffer_add(&topic, end);
    }
    if (text == NULL || topic.failed)
        job->retry = true;
    else
        tesla_topics_publish(t, job, topic.bytes, text, strlen(text));
    fr_text_buffer_free(&topic);
    free(text);
    json_decref(json);
}

static void messages_publish_alerts(const struct topics *t, struct job *job, const char *name,
                                    const json_t *alerts)
{
    const json_t *newest = json_array_get(alerts, 0);
    json_t *history = json_array(), *alert;
    size_t i;

    json_array_foreach(alerts, i, alert)
    {
        json_array_append_new(history, messages_alert_of(alert));
        if (messages_begins_later(alert, newest))
            newest = alert;
    }
    messages_publish_json(t, job, "alerts", name, "/current", messages_alert_of(newest));
    messages_publish_json(t, job, "alerts", name, "/history", history);
}

static void messages_publish_error(const struct topics *t, struct job *job, const json_t *error)
{
    const char *name = json_string_value(json_object_get(error, "name"));
    json_t *body = json_object_get(error, "body"), *tags = json_object_get(error, "tags");

    if (name != NULL && name[0] != '\0')
        messages_publish_json(t, job, "errors", name, "",
                              json_pack("{s:o, s:o, s:o}", "Body",
                                        body != NULL ? json_incref(body) : json_string(""),
                                        "CreatedAt", messages_time(error, "createdAt"), "Tags",
                                        tags != NULL ? json_incref(tags) : json_object()));
}

static void messages_publish_connectivity(const struct topics *t, struct job *job,
                                          const json_t *root)
{
    json_t *id = json_object_get(root, "connectionId"), *status = json_object_get(root, "status");

    messages_publish_json(t, job, job->delivery->record_type, NULL, "",
                          json_pack("{s:o, s:o, s:o}", "ConnectionId",
                                    id != NULL ? json_incref(id) : json_null(), "Status",
                                    status != NULL ? json_incref(status) : json_null(), "CreatedAt",
                                    messages_time(root, "created_at")));
}

/* Append a record's JSON with "repeated":true, for a record that the broker may already have. */
static void messages_add_repeated_mark(struct fr_text_buffer *text, const struct fr_delivery *d)
{
    static const char mark[] = ",\"repeated\":true}";

    fr_text_buffer_append(text, d->bytes, d->len - 1);
    fr_text_buffer_add(text, mark);
}

static void messages_publish_whole(const struct topics *t, struct job *job)
{
    const struct fr_delivery *d = job->delivery;
    struct fr_text_buffer topic = {0}, marked = {0};
    bool mark = job->repeated && d->format == FR_FORMAT_JSON && !(d->flags & FR_FLAG_REPEATED) &&
                d->len > 2 && d->bytes[d->len - 1] == '}';

    tesla_topic(&topic, t, d, d->record_type);
    if (mark)
        messages_add_repeated_mark(&marked, d);
    if (topic.failed || marked.failed)
        job->retry = true;
    else
        tesla_topics_publish(t, job, topic.bytes, mark ? marked.bytes : (const char *)d->bytes,
                             mark ? marked.len : d->len);
    fr_text_buffer_free(&topic);
    fr_text_buffer_free(&marked);
}

bool record_messages_step(struct record_messages *m, const struct topics *t, struct job *job)
{
    json_t *errors;

    switch (m->kind) {
    case KIND_ALERTS:
        if (m->group != NULL) {
            messages_publish_alerts(t, job, json_object_iter_key(m->group),
                                    json_object_iter_value(m->group));
            m->group = json_object_iter_next(m->groups, m->group);
        }
        return m->group == NULL;
    case KIND_ERRORS:
        errors = json_object_get(m->root, "errors");
        if (m->error < json_array_size(errors))
            messages_publish_error(t, job, json_array_get(errors, m->error++));
        return m->error >= json_array_size(errors);
    case KIND_CONNECTIVITY:
        messages_publish_connectivity(t, job, m->root);
        return true;
    case KIND_WHOLE:
    default:
        messages_publish_whole(t, job);
        return true;
    }
}

/* ---- creation -------------------------------------------------------------------- */

/* Group the alerts by name. False: no memory. */
static bool messages_group_alerts(struct record_messages *m)
{
    size_t i;
    json_t *alert;

    m->groups = json_object();
    json_array_foreach(json_object_get(m->root, "alerts"), i, alert)
    {
        const char *name = json_string_value(json_object_get(alert, "name"));
        json_t *group = name != NULL ? json_object_get(m->groups, name) : NULL;

        if (name == NULL || name[0] == '\0')
            continue;
        if (group == NULL) {
            group = json_array();
            if (json_object_set_new(m->groups, name, group) != 0)
                return false;
        }
        if (json_array_append(group, alert) != 0)
            return false;
    }
    m->group = json_object_iter(m->groups);
    return m->groups != NULL;
}

static enum kind messages_kind_of(const struct fr_delivery *d, const json_t *root)
{
    return root == NULL                                  ? KIND_WHOLE
           : strcmp(d->record_type, "alerts") == 0       ? KIND_ALERTS
           : strcmp(d->record_type, "errors") == 0       ? KIND_ERRORS
           : strcmp(d->record_type, "connectivity") == 0 ? KIND_CONNECTIVITY
           : strcmp(d->record_type, "presence") == 0     ? KIND_CONNECTIVITY
                                                         : KIND_WHOLE;
}

struct record_messages *record_messages_new(const struct fr_delivery *d)
{
    struct record_messages *m = calloc(1, sizeof *m);

    if (m == NULL)
        return NULL;
    if (d->format == FR_FORMAT_JSON && strcmp(d->record_type, "V") != 0)
        m->root = json_loadb((const char *)d->bytes, d->len,
                             JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, NULL);
    m->kind = messages_kind_of(d, m->root);
    if (m->kind != KIND_ALERTS || messages_group_alerts(m))
        return m;
    record_messages_free(m);
    return NULL;
}

const json_t *record_messages_alerts(const struct record_messages *m)
{
    return m->kind == KIND_ALERTS ? json_object_get(m->root, "alerts") : NULL;
}

void record_messages_free(struct record_messages *m)
{
    if (m == NULL)
        return;
    json_decref(m->groups);
    json_decref(m->root);
    free(m);
}
