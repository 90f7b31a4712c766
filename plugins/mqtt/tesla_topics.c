#include "mqtt/tesla_topics.h"

#include <string.h>

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

/* What divides topics, and what MQTT brokers refuse: control characters and non-characters. */
static bool is_for_topics(uint32_t code)
{
    return code >= 0x20 && (code < 0x7f || code > 0x9f) && code != '/' && code != '+' &&
           code != '#' && (code & 0xfffe) != 0xfffe && (code < 0xfdd0 || code > 0xfdef);
}

void tesla_topic_name(struct fr_text_buffer *topic, const char *name)
{
    size_t len = fr_utf8_cut(name, strlen(name), NAME_MAX_BYTES);

    for (size_t at = 0, size; at < len; at += size) {
        uint32_t code;

        size = fr_utf8_next(name + at, len - at, &code);
        if (size != 0 && is_for_topics(code))
            fr_text_buffer_append(topic, name + at, size);
        else
            fr_text_buffer_byte(topic, '_');
        size = size != 0 ? size : 1;
    }
}

const char *tesla_topics_limited(const struct topics *t, const struct fr_delivery *d,
                                 const char *kind, const char *name)
{
    uint64_t refused;

    if (name_limit_allows(t->names, d->vin, kind, name))
        return name;
    refused = name_limit_refused(t->names);
    if ((refused & (refused - 1)) == 0) /* the 1st, 2nd, 4th, 8th … */
        t->host->log(
            t->sink, FR_LOG_WARNING,
            "new names of %s of %s are published as " NAME_LIMIT_REST
            ": a vehicle has topics for at most %d names, and all vehicles for %d; look at "
            "what the vehicle sends (%llu such messages so far)",
            kind, d->vin, NAME_LIMIT_VEHICLE, NAME_LIMIT_TOTAL, (unsigned long long)refused);
    return NAME_LIMIT_REST;
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
        broker_publish(t->broker, topic.bytes, value, len, t->retain, job);
    fr_text_buffer_free(&topic);
}
