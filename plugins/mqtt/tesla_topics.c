#include "mqtt/tesla_topics.h"

#include <stdio.h>
#include <string.h>

#include "clock_ms.h"
#include "mqtt/name_limit.h"
#include "safe_name.h"
#include "utf8.h"

#define NAME_MAX_BYTES 100 /* of an alert's or error's name in a topic */

void tesla_topic(struct fr_text_buffer *topic, const struct topics *t, const struct fr_delivery *d,
                 const char *kind)
{
    fr_text_buffer_add(topic, t->base);
    fr_text_buffer_byte(topic, '/');
    fr_safe_name(topic, d->vin);
    fr_text_buffer_byte(topic, '/');
    fr_safe_name(topic, kind);
}

/* False: topic separators and wildcards, and what brokers refuse: control characters and
 * non-characters (MQTT 5, 1.5.4). */
static bool tesla_is_allowed_in_topic(uint32_t code)
{
    return code >= 0x20 && (code < 0x7f || code > 0x9f) && code != '/' && code != '+' &&
           code != '#' && (code & 0xfffe) != 0xfffe && (code < 0xfdd0 || code > 0xfdef);
}

static void tesla_add_allowed(struct fr_text_buffer *topic, const char *name, size_t name_len)
{
    size_t len = fr_utf8_cut(name, name_len, NAME_MAX_BYTES);

    for (size_t at = 0, size; at < len; at += size) {
        uint32_t code;

        size = fr_utf8_next(name + at, len - at, &code);
        if (size == 0)
            fr_text_buffer_add(topic, "\xef\xbf\xbd"); /* U+FFFD */
        else if (tesla_is_allowed_in_topic(code))
            fr_text_buffer_append(topic, name + at, size);
        else
            fr_text_buffer_byte(topic, '_');
        size = size != 0 ? size : 1;
    }
}

static void tesla_log_limit(const struct topics *t, const struct fr_delivery *d, const char *kind)
{
    uint64_t refused = name_limit_refused(t->names);

    if ((refused & (refused - 1)) == 0) /* the 1st, 2nd, 4th, 8th … */
        t->host->log(
            t->sink, FR_LOG_WARNING,
            "new names of %s of %s are published as " NAME_LIMIT_REST
            ": the limit is %d names for a vehicle and %d for all vehicles; check what the vehicle "
            "sends (%llu such messages so far)",
            kind, d->vin, NAME_LIMIT_VEHICLE, NAME_LIMIT_TOTAL, (unsigned long long)refused);
}

void tesla_topic_name(struct fr_text_buffer *topic, const struct topics *t,
                      const struct fr_delivery *d, const char *kind, const char *name, size_t len)
{
    struct fr_text_buffer allowed = {0};

    tesla_add_allowed(&allowed, name, len);
    fr_text_buffer_byte(topic, '/');
    if (allowed.failed)
        topic->failed = true;
    else if (name_limit_allows(t->names, d->vin, kind, fr_text_buffer_string(&allowed)))
        fr_text_buffer_append(topic, allowed.bytes, allowed.len);
    else {
        tesla_log_limit(t, d, kind);
        fr_text_buffer_add(topic, NAME_LIMIT_REST);
    }
    fr_text_buffer_free(&allowed);
}

/* ---- user properties ------------------------------------------------------------- */

/* Append the flags of a delivery, with commas between them. */
static void tesla_add_flags(struct fr_text_buffer *text, const struct job *job)
{
    const struct fr_delivery *d = job->delivery;
    bool is_field = d->kind == FR_DELIVERY_FIELD;
    const struct {
        bool is_set;
        const char *name;
    } flags[] = {
        {d->flags & FR_FLAG_RESEND, "resend"},
        {d->flags & FR_FLAG_LATE, "late"},
        {d->flags & FR_FLAG_RESTORED, "restored"},
        {(d->flags & FR_FLAG_REPEATED) || job->repeated, "repeated"},
        {is_field && d->value.kind == FR_VALUE_INVALID, "invalid"},
        {is_field && d->value.kind == FR_VALUE_NONE, "empty"},
    };

    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (flags[i].is_set)
            fr_text_buffer_printf(text, "%s%s", text->len != 0 ? "," : "", flags[i].name);
}

/* The time since the measurement, or since the receipt if the vehicle sent no time. A vehicle's
 * clock may be ahead. */
static int64_t tesla_age_ms(const struct fr_delivery *d)
{
    int64_t age = fr_clock_wall_ms() - (d->created_ms != 0 ? d->created_ms : d->received_ms);

    return age > 0 ? age : 0;
}

static void tesla_publish_with_properties(const struct topics *t, struct job *job,
                                          const char *topic, const char *payload, size_t len)
{
    const struct fr_delivery *d = job->delivery;
    struct broker_property properties[4] = {{NULL, NULL}};
    struct fr_text_buffer flags = {0};
    char age[24];
    size_t n = 0;

    snprintf(age, sizeof age, "%lld", (long long)tesla_age_ms(d));
    tesla_add_flags(&flags, job);
    if (d->kind == FR_DELIVERY_FIELD && d->unit[0] != '\0')
        properties[n++] = (struct broker_property){"unit", d->unit};
    properties[n++] = (struct broker_property){"age_ms", age};
    if (flags.len != 0)
        properties[n++] = (struct broker_property){"flags", fr_text_buffer_string(&flags)};
    if (flags.failed)
        job->retry = true;
    else
        broker_publish_with(t->broker, topic, payload, len, t->retain, properties, job);
    fr_text_buffer_free(&flags);
}

/* ---- publishing ------------------------------------------------------------------ */

void tesla_topics_publish(const struct topics *t, struct job *job, const char *topic,
                          const char *payload, size_t len)
{
    if (t->layout == LAYOUT_VALUES)
        tesla_publish_with_properties(t, job, topic, payload, len);
    else
        broker_publish(t->broker, topic, payload, len, t->retain, job);
}

void tesla_topics_value(const struct topics *t, struct job *job)
{
    struct fr_delivery *d = job->delivery;
    struct fr_text_buffer topic = {0};
    size_t len;
    const char *value = t->host->value(t->sink, d, &len);

    tesla_topic(&topic, t, d, "v");
    fr_text_buffer_byte(&topic, '/');
    fr_text_buffer_add(&topic, d->name);
    if (topic.failed)
        job->retry = true;
    else
        tesla_topics_publish(t, job, topic.bytes, value, len);
    fr_text_buffer_free(&topic);
}

static void tesla_publish_message(const struct topics *t, struct job *job,
                                  const struct fr_tesla_message *message)
{
    struct fr_text_buffer topic = {0};

    tesla_topic(&topic, t, job->delivery, message->kind);
    if (job->delivery->kind == FR_DELIVERY_FIELD) {
        fr_text_buffer_byte(&topic, '/');
        fr_text_buffer_append(&topic, message->name, message->name_len);
    } else if (message->name != NULL)
        tesla_topic_name(&topic, t, job->delivery, message->kind, message->name, message->name_len);
    if (message->part != NULL)
        fr_text_buffer_printf(&topic, "/%s", message->part);
    if (topic.failed)
        job->retry = true;
    else
        tesla_topics_publish(t, job, fr_text_buffer_string(&topic), message->payload, message->len);
    fr_text_buffer_free(&topic);
}

enum fr_tesla_result tesla_topics_step(const struct topics *t, struct job *job)
{
    struct fr_tesla_message message = {.size = sizeof message};
    enum fr_tesla_result result =
        t->host->tesla_message(t->sink, job->delivery, job->next_message, &message);

    switch (result) {
    case FR_TESLA_MESSAGE:
        tesla_publish_message(t, job, &message);
        job->next_message++;
        return job->delivery->kind == FR_DELIVERY_FIELD ? FR_TESLA_END : FR_TESLA_MESSAGE;
    case FR_TESLA_FAILED:
        job->retry = true;
        return FR_TESLA_END;
    case FR_TESLA_END:
    case FR_TESLA_UNKNOWN:
    default:
        return result;
    }
}
