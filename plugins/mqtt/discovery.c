#include "mqtt/discovery.h"

#include <event2/event.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock_ms.h"
#include "home_assistant/shown.h"
#include "mqtt/discovery_config.h"
#include "mqtt/record_messages.h"
#include "safe_name.h"
#include "text_buffer.h"

/* If our own message does not come back after that, what the broker keeps is taken as heard. */
#define LISTEN_MS 2000
#define VIN_SIZE 256 /* escaped, in a topic; a longer one is no vehicle of ours */

struct own {
    struct fr_shown shown;
    bool away; /* BASE/VIN/status says so */
    bool told; /* it was said since we are connected */
};

struct discovery {
    const struct topics *topics;
    struct fr_vehicles *vehicles;
    const char *prefix;
    int64_t gap_ms;
    bool away_unavailable;
    bool listening; /* for the places that the broker keeps; no place is told meanwhile */
    struct event *listened;
    json_t *kept; /* places that the broker keeps, by the VIN in the topic: [north, east, ms] */

    /* The pass over all vehicles that tells what there is to tell, one vehicle a step. */
    struct fr_ha_vehicle *pass; /* the next vehicle; NULL: no pass, or at its end */
    bool passing;
    bool pass_all;   /* tell everything, not only what has changed */
    bool pass_begun; /* of the present vehicle: it was marked */
    bool greet;      /* say "online" at the end of the pass */
    struct fr_text_buffer status, birth;
};

/* Publish under BASE/VIN/END/END2 (END2 may be ""). */
static void publish(struct discovery *h, struct fr_ha_vehicle *vehicle, const char *end,
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

static void publish_status(struct discovery *h, const char *text)
{
    broker_publish(h->topics->broker, fr_text_buffer_string(&h->status), text, strlen(text), true,
                   NULL);
}

static struct own *own_of(struct fr_ha_vehicle *vehicle)
{
    if (vehicle->own == NULL)
        vehicle->own = calloc(1, sizeof(struct own));
    return vehicle->own;
}

/* ---- telling --------------------------------------------------------------------- */

static void announce(struct discovery *h, struct fr_ha_vehicle *vehicle, struct fr_entity_state *s,
                     struct job *job)
{
    const struct discovery_place place = {h->topics->base, fr_text_buffer_string(&h->status)};
    json_t *config = discovery_config(&place, vehicle, s);
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

static void tell_place(struct discovery *h, struct fr_ha_vehicle *vehicle, struct job *job)
{
    const struct fr_position *p = &vehicle->position;
    struct fr_shown *shown = &own_of(vehicle)->shown;
    enum fr_telling telling = fr_shown_telling(shown, p, h->gap_ms);
    struct fr_text_buffer text = {0};

    if (!p->known || telling == FR_TELL_NOTHING)
        return;
    if (telling == FR_TELL_AS_HEARD)
        publish(h, vehicle, "location", "/status", "offline", job);
    fr_text_buffer_printf(
        &text, "{\"latitude\":%.7f,\"longitude\":%.7f,\"gps_accuracy\":%.0f,\"measured_ms\":%lld",
        p->latitude, p->longitude, vehicle->accuracy >= 0 ? vehicle->accuracy : 5,
        (long long)p->created_ms);
    if (vehicle->heading >= 0)
        fr_text_buffer_printf(&text, ",\"course\":%.0f", vehicle->heading);
    fr_text_buffer_byte(&text, '}');
    publish(h, vehicle, "location", "", fr_text_buffer_string(&text), job);
    fr_text_buffer_free(&text);
    if (telling == FR_TELL_AS_HEARD || !shown->ours)
        publish(h, vehicle, "location", "/status", "online", job);
    fr_shown_told(shown, p);
}

static void tell_other_place(struct discovery *h, struct fr_ha_vehicle *vehicle,
                             const struct fr_entity_state *s, struct job *job)
{
    struct fr_text_buffer text = {0};

    if (s->has_place)
        fr_text_buffer_printf(&text, "{\"latitude\":%.7f,\"longitude\":%.7f,\"gps_accuracy\":5}",
                              s->latitude, s->longitude);
    else
        fr_text_buffer_add(&text, "{}");
    publish(h, vehicle, discovery_topic_end(s), "", fr_text_buffer_string(&text), job);
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
                 struct job *job)
{
    if (s->is_tracker)
        tell_place(h, vehicle, job);
    else if (s->entity->platform == FR_PLATFORM_DEVICE_TRACKER)
        tell_other_place(h, vehicle, s, job);
    else
        publish(h, vehicle, discovery_topic_end(s), "", s->text != NULL ? s->text : nothing(s),
                job);
}

static void tell_status(struct discovery *h, struct fr_ha_vehicle *vehicle, struct job *job)
{
    struct own *own = own_of(vehicle);
    bool away = false;

    for (const struct fr_entity_state *s = vehicle->states; s != NULL; s = s->next)
        if (h->away_unavailable && discovery_is_connection(s))
            away = s->text != NULL && strcmp(s->text, "off") == 0;
    if (own->told && own->away == away)
        return;
    own->told = true;
    own->away = away;
    publish(h, vehicle, "status", "", away ? "offline" : "online", job);
}

/* Do what there is to do for a vehicle. False: the broker has no capacity for the rest. */
static bool follow(struct discovery *h, struct fr_ha_vehicle *vehicle, struct job *job)
{
    if (own_of(vehicle) == NULL)
        return true;
    tell_status(h, vehicle, job);
    for (struct fr_entity_state *s = vehicle->states; s != NULL; s = s->next) {
        unsigned todo = s->todo;

        if (todo == 0 || (s->is_tracker && h->listening))
            continue;
        if (!broker_has_capacity(h->topics->broker))
            return false;
        if (todo & FR_TODO_ANNOUNCE)
            announce(h, vehicle, s, job);
        if (todo & FR_TODO_TELL)
            tell(h, vehicle, s, job);
        s->todo = 0;
    }
    return true;
}

/* ---- the pass over all vehicles -------------------------------------------------- */

static void begin_pass(struct discovery *h, bool all, bool greet)
{
    h->pass = fr_vehicles_first(h->vehicles);
    h->passing = true;
    h->pass_begun = false;
    h->pass_all = h->pass_all || all;
    h->greet = h->greet || greet;
    job_queue_wake(h->topics->jobs);
}

static void mark_all(struct fr_ha_vehicle *vehicle)
{
    own_of(vehicle)->told = false;
    for (struct fr_entity_state *s = vehicle->states; s != NULL; s = s->next)
        s->todo = FR_TODO_ANNOUNCE | FR_TODO_TELL;
}

static void end_pass(struct discovery *h)
{
    static const struct timeval limit = {LISTEN_MS / 1000, LISTEN_MS % 1000 * 1000};

    h->passing = h->pass_all = false;
    if (!h->greet)
        return;
    h->greet = false;
    /* Entities become available with what was just said. It also comes back to us, behind all
     * that the broker keeps. */
    publish_status(h, "online");
    event_add(h->listened, &limit);
}

bool discovery_background(struct discovery *h)
{
    if (!h->passing)
        return false;
    if (h->pass == NULL) {
        end_pass(h);
        return true;
    }
    if (h->pass_all && !h->pass_begun && own_of(h->pass) != NULL)
        mark_all(h->pass);
    h->pass_begun = true;
    if (follow(h, h->pass, NULL)) {
        h->pass = h->pass->next;
        h->pass_begun = false;
    }
    return true;
}

/* ---- what the broker keeps ------------------------------------------------------- */

/* The VIN in BASE/VIN/location; its length, 0: the topic is not of that form. */
static size_t vin_in(const struct discovery *h, const char *topic, const char **vin)
{
    size_t base = strlen(h->topics->base), len;

    if (strncmp(topic, h->topics->base, base) != 0 || topic[base] != '/')
        return 0;
    *vin = topic + base + 1;
    len = strcspn(*vin, "/");
    return strcmp(*vin + len, "/location") == 0 ? len : 0;
}

static bool read_place(const char *payload, size_t len, struct fr_shown *shown)
{
    json_t *root = json_loadb(payload, len, 0, NULL);
    json_t *latitude = json_object_get(root, "latitude");
    json_t *longitude = json_object_get(root, "longitude");

    *shown = (struct fr_shown){
        .latitude = json_number_value(latitude),
        .longitude = json_number_value(longitude),
        .created_ms = json_integer_value(json_object_get(root, "measured_ms")),
    };
    shown->known = json_is_number(latitude) && json_is_number(longitude) &&
                   fabs(shown->latitude) <= 90 && fabs(shown->longitude) <= 180;
    json_decref(root);
    return shown->known;
}

/* A retained BASE/VIN/location: what Home Assistant shows, or will once it is back. */
static void learn_place(struct discovery *h, const char *topic, const char *payload, size_t len)
{
    const char *in_topic;
    size_t vin_len = vin_in(h, topic, &in_topic);
    struct fr_ha_vehicle *vehicle;
    struct fr_shown shown;
    char vin[VIN_SIZE];

    if (vin_len == 0 || vin_len >= sizeof vin || !read_place(payload, len, &shown))
        return;
    memcpy(vin, in_topic, vin_len);
    vin[vin_len] = '\0';
    vehicle = fr_vehicles_find(h->vehicles, vin);
    if (vehicle != NULL && own_of(vehicle) != NULL)
        own_of(vehicle)->shown = shown;
    else if (json_object_size(h->kept) < FR_VEHICLES_MAX || json_object_get(h->kept, vin) != NULL)
        json_object_set_new(
            h->kept, vin,
            json_pack("[f, f, I]", shown.latitude, shown.longitude, (json_int_t)shown.created_ms));
}

/* A vehicle that speaks for the first time: what is known to be shown of it. */
static void recall(struct discovery *h, struct fr_ha_vehicle *vehicle)
{
    struct fr_text_buffer vin = {0};
    struct own *own;
    json_t *kept;

    if (vehicle->own != NULL || (own = own_of(vehicle)) == NULL)
        return;
    fr_safe_name(&vin, vehicle->vin);
    kept = json_object_get(h->kept, fr_text_buffer_string(&vin));
    if (kept != NULL)
        own->shown = (struct fr_shown){
            .known = true,
            .latitude = json_number_value(json_array_get(kept, 0)),
            .longitude = json_number_value(json_array_get(kept, 1)),
            .created_ms = json_integer_value(json_array_get(kept, 2)),
        };
    fr_text_buffer_free(&vin);
}

static void stop_listening(struct discovery *h)
{
    if (!h->listening)
        return;
    h->listening = false;
    event_del(h->listened);
    begin_pass(h, false, false);
}

static void listened_enough(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    stop_listening(ctx);
}

/* ---- the broker's events --------------------------------------------------------- */

void discovery_up(struct discovery *h)
{
    struct fr_text_buffer places = {0};

    for (struct fr_ha_vehicle *v = fr_vehicles_first(h->vehicles); v != NULL; v = v->next)
        if (own_of(v) != NULL)
            own_of(v)->shown.ours = false;
    h->listening = true;
    fr_text_buffer_printf(&places, "%s/+/location", h->topics->base);
    broker_subscribe(h->topics->broker, fr_text_buffer_string(&places));
    broker_subscribe(h->topics->broker, fr_text_buffer_string(&h->status));
    broker_subscribe(h->topics->broker, fr_text_buffer_string(&h->birth));
    fr_text_buffer_free(&places);
    begin_pass(h, true, true);
}

void discovery_down(struct discovery *h)
{
    h->listening = h->passing = h->pass_all = h->greet = false;
    event_del(h->listened);
    json_object_clear(h->kept);
}

void discovery_message(struct discovery *h, const char *topic, const char *payload, size_t len,
                       bool retained)
{
    if (strcmp(topic, fr_text_buffer_string(&h->status)) == 0) {
        if (!retained && !h->passing)
            stop_listening(h);
    } else if (strcmp(topic, fr_text_buffer_string(&h->birth)) == 0) {
        if (!retained && len == strlen("online") && memcmp(payload, "online", len) == 0)
            begin_pass(h, true, false);
    } else if (h->listening && retained)
        learn_place(h, topic, payload, len);
}

bool discovery_ready(const struct discovery *h)
{
    return !h->listening;
}

/* ---- deliveries ------------------------------------------------------------------ */

static bool begin_job(struct discovery *h, struct job *job)
{
    struct fr_delivery *d = job->delivery;
    bool moved;

    job->begun = true;
    job->vehicle = fr_vehicles_take(h->vehicles, d, fr_clock_wall_ms(), &moved);
    if (job->vehicle == NULL) {
        job_fail(
            job, FR_REFUSED,
            "no entity is made: Home Assistant gets %d vehicles and %d fields that the catalogue "
            "does not know, no more; route fewer",
            FR_VEHICLES_MAX, FR_UNKNOWN_FIELDS_MAX);
        return false;
    }
    recall(h, job->vehicle);
    if (d->kind == FR_DELIVERY_RECORD && (job->messages = record_messages_new(d)) == NULL)
        job->retry = true;
    return true;
}

bool discovery_produce(struct discovery *h, struct job *job)
{
    if (!job->begun && !begin_job(h, job))
        return true;
    if (job->vehicle != NULL) {
        if (!follow(h, job->vehicle, job))
            return false;
        job->vehicle = NULL;
        return job->messages == NULL;
    }
    return record_messages_step(job->messages, h->topics, job);
}

void discovery_end(struct discovery *h)
{
    publish_status(h, "offline");
}

/* ---- life ------------------------------------------------------------------------ */

const char *discovery_will(const struct discovery *h)
{
    return fr_text_buffer_string(&h->status);
}

void discovery_free(struct discovery *h)
{
    if (h == NULL)
        return;
    fr_vehicles_free(h->vehicles, free);
    json_decref(h->kept);
    fr_text_buffer_free(&h->status);
    fr_text_buffer_free(&h->birth);
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
    h->kept = json_object();
    fr_text_buffer_printf(&h->status, "%s/status", topics->base);
    fr_text_buffer_printf(&h->birth, "%s/status", h->prefix);
    if (h->vehicles != NULL && h->listened != NULL && h->kept != NULL && !h->status.failed &&
        !h->birth.failed)
        return h;
    discovery_free(h);
    return NULL;
}
