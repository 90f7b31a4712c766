#include "mqtt/discovery.h"

#include <event2/event.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "home_assistant/shown.h"
#include "mqtt/discovery_config.h"
#include "text_buffer.h"

/* If our own message does not come back after that, what the broker keeps is taken as heard. */
#define LISTEN_MS 2000

struct own {
    struct fr_shown shown;
    bool away; /* BASE/VIN/status says so */
    bool told; /* it was said since we are connected */
};

/* A place that the broker keeps, of a vehicle that has not spoken yet. */
struct kept {
    struct kept *next;
    struct fr_shown shown;
    char vin[];
};

struct discovery {
    const struct topics *topics;
    struct fr_vehicles *vehicles;
    const char *prefix;
    int64_t gap_ms;
    bool away_unavailable;
    bool listening; /* for the places that the broker keeps; no place is told meanwhile */
    struct event *listened;
    struct kept *kept;
    char status[TOPIC_SIZE];
};

static int64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void publish(struct discovery *h, const char *topic, const char *text,
                    struct fr_delivery *for_delivery)
{
    broker_publish(h->topics->broker, topic, text, strlen(text), true, for_delivery);
}

static struct own *own_of(struct fr_ha_vehicle *vehicle)
{
    if (vehicle->own == NULL)
        vehicle->own = calloc(1, sizeof(struct own));
    return vehicle->own;
}

/* ---- telling --------------------------------------------------------------------- */

static void announce(struct discovery *h, struct fr_ha_vehicle *vehicle, struct fr_entity_state *s,
                     struct fr_delivery *d)
{
    const struct discovery_place place = {h->topics->base, h->status};
    json_t *config = discovery_config(&place, vehicle, s);
    char *text = json_dumps(config, JSON_COMPACT), topic[TOPIC_SIZE];

    snprintf(topic, sizeof topic, "%s/%s/%s/%s/config", h->prefix,
             fr_platform_name(s->entity->platform), vehicle->vin, s->id);
    if (text != NULL)
        publish(h, topic, text, d);
    free(text);
    json_decref(config);
}

static void tell_place(struct discovery *h, struct fr_ha_vehicle *vehicle,
                       const struct fr_entity_state *s, struct fr_delivery *d)
{
    const struct fr_position *p = &vehicle->position;
    struct fr_shown *shown = &own_of(vehicle)->shown;
    enum fr_telling telling = fr_shown_telling(shown, p, h->gap_ms);
    struct fr_text_buffer text = {0};
    char topic[TOPIC_SIZE], status[TOPIC_SIZE + 8];

    if (!p->known || telling == FR_TELL_NOTHING)
        return;
    discovery_state_topic(h->topics->base, vehicle, s, topic);
    snprintf(status, sizeof status, "%s/status", topic);
    if (telling == FR_TELL_AS_HEARD)
        publish(h, status, "offline", d);
    fr_text_buffer_printf(
        &text, "{\"latitude\":%.7f,\"longitude\":%.7f,\"gps_accuracy\":%.0f,\"measured_ms\":%lld",
        p->latitude, p->longitude, vehicle->accuracy >= 0 ? vehicle->accuracy : 5,
        (long long)p->created_ms);
    if (vehicle->heading >= 0)
        fr_text_buffer_printf(&text, ",\"course\":%.0f", vehicle->heading);
    fr_text_buffer_byte(&text, '}');
    publish(h, topic, fr_text_buffer_string(&text), d);
    fr_text_buffer_free(&text);
    if (telling == FR_TELL_AS_HEARD || !shown->ours)
        publish(h, status, "online", d);
    fr_shown_told(shown, p);
}

static void tell_other_place(struct discovery *h, struct fr_ha_vehicle *vehicle,
                             const struct fr_entity_state *s, struct fr_delivery *d)
{
    struct fr_text_buffer text = {0};
    char topic[TOPIC_SIZE];

    discovery_state_topic(h->topics->base, vehicle, s, topic);
    if (s->has_place)
        fr_text_buffer_printf(&text, "{\"latitude\":%.7f,\"longitude\":%.7f,\"gps_accuracy\":5}",
                              s->latitude, s->longitude);
    else
        fr_text_buffer_add(&text, "{}");
    publish(h, topic, fr_text_buffer_string(&text), d);
    fr_text_buffer_free(&text);
}

/* What stands for no value: "None" is understood by all but the sensors of words, which older
 * releases let say only what they list; there "unknown" is one of the words. */
static const char *nothing(const struct fr_entity_state *s)
{
    bool words = s->entity->platform == FR_PLATFORM_SENSOR && s->entity->state_class == NULL &&
                 s->unit == NULL &&
                 (s->entity->device_class == NULL || strcmp(s->entity->device_class, "enum") == 0);

    return words ? "unknown" : "None";
}

static void tell(struct discovery *h, struct fr_ha_vehicle *vehicle, struct fr_entity_state *s,
                 struct fr_delivery *d)
{
    char topic[TOPIC_SIZE];

    if (s->is_tracker)
        tell_place(h, vehicle, s, d);
    else if (s->entity->platform == FR_PLATFORM_DEVICE_TRACKER)
        tell_other_place(h, vehicle, s, d);
    else {
        discovery_state_topic(h->topics->base, vehicle, s, topic);
        publish(h, topic, s->text != NULL ? s->text : nothing(s), d);
    }
}

static void tell_status(struct discovery *h, struct fr_ha_vehicle *vehicle, struct fr_delivery *d)
{
    struct own *own = own_of(vehicle);
    bool away = false;
    char topic[TOPIC_SIZE];

    for (const struct fr_entity_state *s = vehicle->states; s != NULL; s = s->next)
        if (h->away_unavailable && discovery_is_connection(s))
            away = s->text != NULL && strcmp(s->text, "off") == 0;
    if (own->told && own->away == away)
        return;
    own->told = true;
    own->away = away;
    snprintf(topic, sizeof topic, "%s/%s/status", h->topics->base, vehicle->vin);
    publish(h, topic, away ? "offline" : "online", d);
}

/* Do what there is to do for a vehicle. */
static void follow(struct discovery *h, struct fr_ha_vehicle *vehicle, struct fr_delivery *d)
{
    if (own_of(vehicle) == NULL)
        return;
    tell_status(h, vehicle, d);
    for (struct fr_entity_state *s = vehicle->states; s != NULL; s = s->next) {
        unsigned todo = s->todo;

        if (todo == 0 || (s->is_tracker && h->listening))
            continue;
        if (todo & FR_TODO_ANNOUNCE)
            announce(h, vehicle, s, d);
        if (todo & FR_TODO_TELL)
            tell(h, vehicle, s, d);
        s->todo = 0;
    }
}

static void say_everything(struct discovery *h)
{
    for (struct fr_ha_vehicle *vehicle = fr_vehicles_first(h->vehicles); vehicle != NULL;
         vehicle = vehicle->next) {
        if (own_of(vehicle) == NULL)
            continue;
        own_of(vehicle)->told = false;
        for (struct fr_entity_state *s = vehicle->states; s != NULL; s = s->next)
            s->todo = FR_TODO_ANNOUNCE | FR_TODO_TELL;
        follow(h, vehicle, NULL);
    }
}

/* ---- what the broker keeps ------------------------------------------------------- */

static struct fr_ha_vehicle *find(const struct discovery *h, const char *vin)
{
    struct fr_ha_vehicle *vehicle = fr_vehicles_first(h->vehicles);

    while (vehicle != NULL && strcmp(vehicle->vin, vin) != 0)
        vehicle = vehicle->next;
    return vehicle;
}

static void keep(struct discovery *h, const char *vin, const struct fr_shown *shown)
{
    struct kept *kept = calloc(1, sizeof *kept + strlen(vin) + 1);

    if (kept == NULL)
        return;
    strcpy(kept->vin, vin);
    kept->shown = *shown;
    kept->next = h->kept;
    h->kept = kept;
}

/* A retained BASE/VIN/location: what Home Assistant shows, or will once it is back. */
static void learn_place(struct discovery *h, const char *topic, const char *payload, size_t len)
{
    const char *vin = topic + strlen(h->topics->base) + 1, *end = strchr(vin, '/');
    json_t *root = json_loadb(payload, len, 0, NULL);
    json_t *latitude = json_object_get(root, "latitude");
    json_t *longitude = json_object_get(root, "longitude");
    struct fr_shown shown = {
        .known = json_is_number(latitude) && json_is_number(longitude),
        .latitude = json_number_value(latitude),
        .longitude = json_number_value(longitude),
        .created_ms = json_integer_value(json_object_get(root, "measured_ms")),
    };
    char name[64] = "";

    if (end != NULL)
        snprintf(name, sizeof name, "%.*s", (int)(end - vin), vin);
    if (shown.known && name[0] != '\0') {
        struct fr_ha_vehicle *vehicle = find(h, name);

        if (vehicle != NULL && own_of(vehicle) != NULL)
            own_of(vehicle)->shown = shown;
        else
            keep(h, name, &shown);
    }
    json_decref(root);
}

static void forget_kept(struct discovery *h)
{
    while (h->kept != NULL) {
        struct kept *next = h->kept->next;

        free(h->kept);
        h->kept = next;
    }
}

/* A vehicle that speaks for the first time: what is known to be shown of it. */
static void recall(struct discovery *h, struct fr_ha_vehicle *vehicle)
{
    struct own *own;

    if (vehicle->own != NULL || (own = own_of(vehicle)) == NULL)
        return;
    for (const struct kept *k = h->kept; k != NULL; k = k->next)
        if (strcmp(k->vin, vehicle->vin) == 0)
            own->shown = k->shown;
}

static void stop_listening(struct discovery *h)
{
    if (!h->listening)
        return;
    h->listening = false;
    event_del(h->listened);
    for (struct fr_ha_vehicle *v = fr_vehicles_first(h->vehicles); v != NULL; v = v->next)
        follow(h, v, NULL);
}

static void listened_enough(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    stop_listening(ctx);
}

/* ---- the broker's events --------------------------------------------------------- */

void discovery_up(struct discovery *h)
{
    struct timeval limit = {LISTEN_MS / 1000, LISTEN_MS % 1000 * 1000};
    char topic[TOPIC_SIZE];

    for (struct fr_ha_vehicle *v = fr_vehicles_first(h->vehicles); v != NULL; v = v->next)
        if (own_of(v) != NULL)
            own_of(v)->shown.ours = false;
    h->listening = true;
    event_add(h->listened, &limit);
    snprintf(topic, sizeof topic, "%s/+/location", h->topics->base);
    broker_subscribe(h->topics->broker, topic);
    broker_subscribe(h->topics->broker, h->status);
    snprintf(topic, sizeof topic, "%s/status", h->prefix);
    broker_subscribe(h->topics->broker, topic);
    say_everything(h);
    /* Entities become available with what was just said. It also comes back to us, behind all
     * that the broker keeps. */
    publish(h, h->status, "online", NULL);
}

void discovery_down(struct discovery *h)
{
    h->listening = false;
    event_del(h->listened);
    forget_kept(h);
}

void discovery_message(struct discovery *h, const char *topic, const char *payload, size_t len,
                       bool retained)
{
    char birth[TOPIC_SIZE];
    size_t end = strlen("/location"), size = strlen(topic);

    snprintf(birth, sizeof birth, "%s/status", h->prefix);
    if (strcmp(topic, h->status) == 0) {
        if (!retained)
            stop_listening(h);
    } else if (strcmp(topic, birth) == 0) {
        if (!retained && len == strlen("online") && memcmp(payload, "online", len) == 0)
            say_everything(h);
    } else if (h->listening && retained && size > end &&
               strcmp(topic + size - end, "/location") == 0)
        learn_place(h, topic, payload, len);
}

bool discovery_ready(const struct discovery *h)
{
    return !h->listening;
}

/* ---- deliveries ------------------------------------------------------------------ */

bool discovery_deliver(struct discovery *h, struct fr_delivery *d)
{
    bool moved;
    struct fr_ha_vehicle *vehicle = fr_vehicles_take(h->vehicles, d, wall_ms(), &moved);

    if (vehicle == NULL)
        return false;
    recall(h, vehicle);
    follow(h, vehicle, d);
    if (d->kind == FR_DELIVERY_RECORD)
        tesla_topics_record(h->topics, d);
    return true;
}

void discovery_end(struct discovery *h)
{
    publish(h, h->status, "offline", NULL);
}

/* ---- life ------------------------------------------------------------------------ */

const char *discovery_will(const struct discovery *h)
{
    return h->status;
}

void discovery_free(struct discovery *h)
{
    if (h == NULL)
        return;
    fr_vehicles_free(h->vehicles, free);
    forget_kept(h);
    if (h->listened != NULL)
        event_free(h->listened);
    free(h);
}

struct discovery *discovery_new(const struct topics *topics, const struct fr_entities *entities)
{
    const struct fr_host *host = topics->host;
    struct discovery *h = calloc(1, sizeof *h);

    if (h == NULL)
        return NULL;
    h->topics = topics;
    h->prefix = host->text(topics->sink, "discovery_prefix");
    h->gap_ms = host->number(topics->sink, "position_gap");
    h->away_unavailable = host->number(topics->sink, "when_away") == 1;
    h->vehicles = fr_vehicles_new(entities, host->number(topics->sink, "position_age"));
    h->listened = event_new(host->event_base(topics->sink), -1, 0, listened_enough, h);
    snprintf(h->status, sizeof h->status, "%s/status", topics->base);
    if (h->vehicles != NULL && h->listened != NULL)
        return h;
    discovery_free(h);
    return NULL;
}
