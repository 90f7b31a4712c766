#include "mqtt/discovery_publish.h"

#include <stdlib.h>
#include <string.h>

#include "clock_ms.h"
#include "mqtt/discovery_config.h"
#include "safe_name.h"

/* Publish to BASE/VIN/END followed by END2, which may be "" or begins with a slash. */
static void discovery_publish(struct discovery *h, struct fr_ha_vehicle *vehicle, const char *end,
                              const char *end2, const char *text, struct job *job)
{
    struct fr_text_buffer topic = {0};

    discovery_vehicle_topic(&topic, h->topics->base, vehicle, end);
    fr_text_buffer_add(&topic, end2);
    if (!topic.failed)
        broker_publish(h->topics->broker, topic.bytes, text, strlen(text), true, job);
    else if (job != NULL)
        job->retry = true;
    fr_text_buffer_free(&topic);
}

/* Publish an event. It is not retained: Home Assistant ignores a retained one. */
static void discovery_publish_event(struct discovery *h, struct fr_ha_vehicle *vehicle,
                                    const struct fr_entity_state *s, const char *text,
                                    struct job *job)
{
    struct fr_text_buffer topic = {0};

    discovery_vehicle_topic(&topic, h->topics->base, vehicle, discovery_topic_end(s));
    if (!topic.failed)
        broker_publish(h->topics->broker, topic.bytes, text, strlen(text), false, job);
    else
        job->retry = true;
    fr_text_buffer_free(&topic);
}

void discovery_publish_status(struct discovery *h, const char *text)
{
    broker_publish(h->topics->broker, fr_text_buffer_string(&h->status), text, strlen(text), true,
                   NULL);
}

struct discovery_vehicle *discovery_vehicle_of(struct fr_ha_vehicle *vehicle)
{
    if (vehicle->own == NULL)
        vehicle->own = calloc(1, sizeof(struct discovery_vehicle));
    return vehicle->own;
}

/* ---- publishing entities --------------------------------------------------------- */

static void discovery_announce(struct discovery *h, struct fr_ha_vehicle *vehicle,
                               struct fr_entity_state *s, struct job *job)
{
    const struct discovery_base base = {h->topics->base, fr_text_buffer_string(&h->status)};
    json_t *config = discovery_config(&base, vehicle, s);
    char *text = json_dumps(config, JSON_COMPACT);
    struct fr_text_buffer topic = {0};

    fr_text_buffer_printf(&topic, "%s/%s/", h->prefix, fr_platform_name(s->entity->platform));
    fr_safe_name(&topic, vehicle->vin);
    fr_text_buffer_printf(&topic, "/%s/config", s->id);
    if (text != NULL && !topic.failed)
        broker_publish(h->topics->broker, topic.bytes, text, strlen(text), true, job);
    else if (job != NULL)
        job->retry = true;
    fr_text_buffer_free(&topic);
    free(text);
    json_decref(config);
}

static void discovery_publish_position(struct discovery *h, struct fr_ha_vehicle *vehicle,
                                       struct job *job)
{
    const struct fr_position *p = &vehicle->position;
    struct fr_published *shown = &discovery_vehicle_of(vehicle)->shown;
    enum fr_publish_mode telling = fr_published_mode(shown, p, h->gap_ms);
    struct fr_text_buffer text = {0};

    if (!p->known || telling == FR_PUBLISH_NOTHING)
        return;
    if (telling == FR_PUBLISH_TWO_STEP)
        discovery_publish(h, vehicle, "location", "/status", "offline", job);
    fr_text_buffer_printf(
        &text, "{\"latitude\":%.7f,\"longitude\":%.7f,\"gps_accuracy\":%.0f,\"measured_ms\":%lld",
        p->latitude, p->longitude, vehicle->accuracy >= 0 ? vehicle->accuracy : 5,
        (long long)p->created_ms);
    if (vehicle->heading >= 0)
        fr_text_buffer_printf(&text, ",\"course\":%.0f", vehicle->heading);
    fr_text_buffer_byte(&text, '}');
    discovery_publish(h, vehicle, "location", "", fr_text_buffer_string(&text), job);
    fr_text_buffer_free(&text);
    if (telling == FR_PUBLISH_TWO_STEP || !shown->by_this_session)
        discovery_publish(h, vehicle, "location", "/status", "online", job);
    fr_published_update(shown, p);
}

static void discovery_publish_other_position(struct discovery *h, struct fr_ha_vehicle *vehicle,
                                             const struct fr_entity_state *s, struct job *job)
{
    struct fr_text_buffer text = {0};

    if (s->has_position)
        fr_text_buffer_printf(&text, "{\"latitude\":%.7f,\"longitude\":%.7f,\"gps_accuracy\":5}",
                              s->latitude, s->longitude);
    else
        fr_text_buffer_add(&text, "{}");
    discovery_publish(h, vehicle, discovery_topic_end(s), "", fr_text_buffer_string(&text), job);
    fr_text_buffer_free(&text);
}

/* The payload for "no value". Home Assistant accepts "None" except, in older releases, for sensors
 * with a list of options; there "unknown" is one of the options. */
static const char *discovery_no_value(const struct fr_entity_state *s)
{
    bool has_options =
        s->entity->platform == FR_PLATFORM_SENSOR && s->entity->state_class == NULL &&
        s->unit == NULL &&
        (s->entity->device_class == NULL || strcmp(s->entity->device_class, "enum") == 0);

    return has_options ? "unknown" : "None";
}

static void discovery_publish_state(struct discovery *h, struct fr_ha_vehicle *vehicle,
                                    struct fr_entity_state *s, struct job *job)
{
    if (s->entity->platform == FR_PLATFORM_EVENT)
        return; /* it has events and no state */
    if (s->is_tracker)
        discovery_publish_position(h, vehicle, job);
    else if (s->entity->platform == FR_PLATFORM_DEVICE_TRACKER)
        discovery_publish_other_position(h, vehicle, s, job);
    else
        discovery_publish(h, vehicle, discovery_topic_end(s), "",
                          s->text != NULL ? s->text : discovery_no_value(s), job);
}

/* The type of an alert's event: its kind, else "other"; NULL: the entity has neither. */
static const char *discovery_event_type(const struct fr_entity *entity, const char *kind)
{
    return fr_words_find(&entity->options, kind) >= 0      ? kind
           : fr_words_find(&entity->options, "other") >= 0 ? "other"
                                                           : NULL;
}

void discovery_publish_alert(struct discovery *h, struct fr_ha_vehicle *vehicle,
                             const json_t *alert, struct job *job)
{
    struct fr_alert known;

    if (!fr_alert_read(&known, alert, job->delivery, h->alerts, fr_clock_wall_ms(),
                       h->alert_age_ms) ||
        !known.live)
        return;
    for (const struct fr_entity_state *s = vehicle->states; s != NULL; s = s->next) {
        const char *type = s->entity->platform == FR_PLATFORM_EVENT
                               ? discovery_event_type(s->entity, known.kind)
                               : NULL;
        json_t *event = type != NULL
                            ? json_pack("{s:s, s:s, s:I}", "event_type", type, "name", known.name,
                                        "started_ms", (json_int_t)known.started_ms)
                            : NULL;
        char *text = event != NULL ? json_dumps(event, JSON_COMPACT) : NULL;

        if (text != NULL)
            discovery_publish_event(h, vehicle, s, text, job);
        free(text);
        json_decref(event);
    }
}

static void discovery_publish_vehicle_status(struct discovery *h, struct fr_ha_vehicle *vehicle,
                                             struct job *job)
{
    struct discovery_vehicle *own = discovery_vehicle_of(vehicle);
    bool away = false;

    for (const struct fr_entity_state *s = vehicle->states; s != NULL; s = s->next)
        if (h->away_unavailable && discovery_is_connection(s))
            away = s->text != NULL && strcmp(s->text, "off") == 0;
    if (own->published && own->away == away)
        return;
    own->published = true;
    own->away = away;
    discovery_publish(h, vehicle, "status", "", away ? "offline" : "online", job);
}

bool discovery_publish_changes(struct discovery *h, struct fr_ha_vehicle *vehicle, struct job *job)
{
    if (discovery_vehicle_of(vehicle) == NULL)
        return true;
    discovery_publish_vehicle_status(h, vehicle, job);
    for (struct fr_entity_state *s = vehicle->states; s != NULL; s = s->next) {
        unsigned todo = s->todo;

        if (todo == 0 || s->incomplete || (s->is_tracker && h->listening))
            continue;
        if (!broker_has_capacity(h->topics->broker))
            return false;
        if (todo & FR_TODO_ANNOUNCE)
            discovery_announce(h, vehicle, s, job);
        if (todo & FR_TODO_PUBLISH)
            discovery_publish_state(h, vehicle, s, job);
        s->todo = 0;
    }
    return true;
}
