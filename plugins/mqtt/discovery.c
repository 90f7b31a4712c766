#include "mqtt/discovery.h"

#include <event2/event.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock_ms.h"
#include "mqtt/discovery_publish.h"
#include "mqtt/record_messages.h"
#include "safe_name.h"
#include "text_buffer.h"

/* Maximum wait for our own status message, which follows the retained messages. */
#define LISTEN_MAX_MS 2000

#define VIN_SIZE 256 /* of an escaped VIN in a topic; topics with a longer one are ignored */

/* ---- the pass over all vehicles -------------------------------------------------- */

static void discovery_begin_pass(struct discovery *h, bool all, bool announce_online)
{
    h->pass = fr_vehicles_first(h->vehicles);
    h->passing = true;
    h->pass_begun = false;
    h->pass_all = h->pass_all || all;
    h->announce_online = h->announce_online || announce_online;
    job_queue_wake(h->topics->jobs);
}

static void discovery_mark_all(struct fr_ha_vehicle *vehicle)
{
    discovery_vehicle_of(vehicle)->published = false;
    for (struct fr_entity_state *s = vehicle->states; s != NULL; s = s->next)
        s->todo = FR_TODO_ANNOUNCE | FR_TODO_PUBLISH;
}

static void discovery_end_pass(struct discovery *h)
{
    static const struct timeval limit = {LISTEN_MAX_MS / 1000, LISTEN_MAX_MS % 1000 * 1000};

    h->passing = h->pass_all = false;
    if (!h->announce_online)
        return;
    h->announce_online = false;
    /* This message makes the entities available. The subscription returns it after all retained
     * messages. */
    discovery_publish_status(h, "online");
    event_add(h->listen_timer, &limit);
}

bool discovery_background(struct discovery *h)
{
    if (!h->passing)
        return false;
    if (h->pass == NULL) {
        discovery_end_pass(h);
        return true;
    }
    if (h->pass_all && !h->pass_begun && discovery_vehicle_of(h->pass) != NULL)
        discovery_mark_all(h->pass);
    h->pass_begun = true;
    if (discovery_publish_changes(h, h->pass, NULL)) {
        h->pass = h->pass->next;
        h->pass_begun = false;
    }
    return true;
}

/* ---- retained positions ---------------------------------------------------------- */

/* Find the VIN in BASE/VIN/location. Returns its length; 0: the topic has another form. */
static size_t discovery_vin_in(const struct discovery *h, const char *topic, const char **vin)
{
    size_t base = strlen(h->topics->base), len;

    if (strncmp(topic, h->topics->base, base) != 0 || topic[base] != '/')
        return 0;
    *vin = topic + base + 1;
    len = strcspn(*vin, "/");
    return strcmp(*vin + len, "/location") == 0 ? len : 0;
}

static bool discovery_parse_position(const char *payload, size_t len, struct fr_published *shown)
{
    json_t *root = json_loadb(payload, len, 0, NULL);
    json_t *latitude = json_object_get(root, "latitude");
    json_t *longitude = json_object_get(root, "longitude");

    *shown = (struct fr_published){
        .latitude = json_number_value(latitude),
        .longitude = json_number_value(longitude),
        .created_ms = json_integer_value(json_object_get(root, "measured_ms")),
    };
    shown->known = json_is_number(latitude) && json_is_number(longitude) &&
                   fabs(shown->latitude) <= 90 && fabs(shown->longitude) <= 180;
    json_decref(root);
    return shown->known;
}

/* Read a retained BASE/VIN/location: the position that Home Assistant displays. */
static void discovery_read_retained(struct discovery *h, const char *topic, const char *payload,
                                    size_t len)
{
    const char *in_topic;
    size_t vin_len = discovery_vin_in(h, topic, &in_topic);
    struct fr_ha_vehicle *vehicle;
    struct fr_published shown;
    char vin[VIN_SIZE];

    if (vin_len == 0 || vin_len >= sizeof vin || !discovery_parse_position(payload, len, &shown))
        return;
    memcpy(vin, in_topic, vin_len);
    vin[vin_len] = '\0';
    vehicle = fr_vehicles_find(h->vehicles, vin);
    if (vehicle != NULL && discovery_vehicle_of(vehicle) != NULL)
        discovery_vehicle_of(vehicle)->shown = shown;
    else if (json_object_size(h->retained) < FR_VEHICLES_MAX ||
             json_object_get(h->retained, vin) != NULL)
        json_object_set_new(
            h->retained, vin,
            json_pack("[f, f, I]", shown.latitude, shown.longitude, (json_int_t)shown.created_ms));
}

/* At the first delivery of a vehicle: restore the position that Home Assistant displays. */
static void discovery_restore_position(struct discovery *h, struct fr_ha_vehicle *vehicle)
{
    struct fr_text_buffer vin = {0};
    struct discovery_vehicle *own;
    json_t *position;

    if (vehicle->own != NULL || (own = discovery_vehicle_of(vehicle)) == NULL)
        return;
    fr_safe_name(&vin, vehicle->vin);
    position = json_object_get(h->retained, fr_text_buffer_string(&vin));
    if (position != NULL)
        own->shown = (struct fr_published){
            .known = true,
            .latitude = json_number_value(json_array_get(position, 0)),
            .longitude = json_number_value(json_array_get(position, 1)),
            .created_ms = json_integer_value(json_array_get(position, 2)),
        };
    fr_text_buffer_free(&vin);
}

static void discovery_stop_listening(struct discovery *h)
{
    if (!h->listening)
        return;
    h->listening = false;
    event_del(h->listen_timer);
    discovery_begin_pass(h, false, false);
}

static void discovery_listen_timeout(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    discovery_stop_listening(ctx);
}

/* ---- events of the broker -------------------------------------------------------- */

void discovery_up(struct discovery *h)
{
    struct fr_text_buffer pattern = {0};

    for (struct fr_ha_vehicle *v = fr_vehicles_first(h->vehicles); v != NULL; v = v->next)
        if (discovery_vehicle_of(v) != NULL)
            discovery_vehicle_of(v)->shown.by_this_session = false;
    h->listening = true;
    fr_text_buffer_printf(&pattern, "%s/+/location", h->topics->base);
    broker_subscribe(h->topics->broker, fr_text_buffer_string(&pattern));
    broker_subscribe(h->topics->broker, fr_text_buffer_string(&h->status));
    broker_subscribe(h->topics->broker, fr_text_buffer_string(&h->birth));
    fr_text_buffer_free(&pattern);
    discovery_begin_pass(h, true, true);
}

void discovery_down(struct discovery *h)
{
    h->listening = h->passing = h->pass_all = h->announce_online = false;
    event_del(h->listen_timer);
    json_object_clear(h->retained);
}

void discovery_message(struct discovery *h, const char *topic, const char *payload, size_t len,
                       bool retained)
{
    if (strcmp(topic, fr_text_buffer_string(&h->status)) == 0) {
        if (!retained && !h->passing)
            discovery_stop_listening(h);
    } else if (strcmp(topic, fr_text_buffer_string(&h->birth)) == 0) {
        if (!retained && len == strlen("online") && memcmp(payload, "online", len) == 0)
            discovery_begin_pass(h, true, false);
    } else if (h->listening && retained)
        discovery_read_retained(h, topic, payload, len);
}

bool discovery_ready(const struct discovery *h)
{
    return !h->listening;
}

/* ---- deliveries ------------------------------------------------------------------ */

static bool discovery_begin_job(struct discovery *h, struct job *job)
{
    struct fr_delivery *d = job->delivery;

    job->begun = true;
    job->vehicle = fr_vehicles_receive(h->vehicles, d, fr_clock_wall_ms());
    if (job->vehicle == NULL) {
        job_fail(job, FR_REFUSED,
                 "no entity is created: the limit is %d vehicles and %d fields that are not in the "
                 "catalogue; route fewer",
                 FR_VEHICLES_MAX, FR_UNKNOWN_FIELDS_MAX);
        return false;
    }
    if (job->vehicle->own == NULL && !fr_vehicles_add_events(h->vehicles, job->vehicle))
        job->retry = true;
    discovery_restore_position(h, job->vehicle);
    if (d->kind == FR_DELIVERY_RECORD && (job->messages = record_messages_new(d)) == NULL)
        job->retry = true;
    return true;
}

/* Publish the next alert of a record as an event. True: there are no more alerts. */
static bool discovery_publish_next_alert(struct discovery *h, struct job *job)
{
    const json_t *alerts = job->messages != NULL ? record_messages_alerts(job->messages) : NULL;

    if (job->next_alert < json_array_size(alerts))
        discovery_publish_alert(h, job->vehicle, json_array_get(alerts, job->next_alert++), job);
    return job->next_alert >= json_array_size(alerts);
}

bool discovery_produce(struct discovery *h, struct job *job)
{
    if (!job->begun && !discovery_begin_job(h, job))
        return true;
    if (job->vehicle != NULL) {
        if (!discovery_publish_changes(h, job->vehicle, job) ||
            !discovery_publish_next_alert(h, job))
            return false;
        job->vehicle = NULL;
        return job->messages == NULL;
    }
    return record_messages_step(job->messages, h->topics, job);
}

void discovery_end(struct discovery *h)
{
    discovery_publish_status(h, "offline");
}

/* ---- creation -------------------------------------------------------------------- */

const char *discovery_will(const struct discovery *h)
{
    return fr_text_buffer_string(&h->status);
}

void discovery_free(struct discovery *h)
{
    if (h == NULL)
        return;
    fr_vehicles_free(h->vehicles, free);
    json_decref(h->retained);
    fr_alert_log_free(h->alerts);
    fr_text_buffer_free(&h->status);
    fr_text_buffer_free(&h->birth);
    if (h->listen_timer != NULL)
        event_free(h->listen_timer);
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
    h->alert_age_ms = host->number(topics->sink, "alert_age");
    h->alerts = fr_alert_log_new();
    h->away_unavailable = host->number(topics->sink, "when_away") == 1;
    h->vehicles = fr_vehicles_new(entities, host->number(topics->sink, "position_age"));
    h->listen_timer = event_new(host->event_base(topics->sink), -1, 0, discovery_listen_timeout, h);
    h->retained = json_object();
    fr_text_buffer_printf(&h->status, "%s/status", topics->base);
    fr_text_buffer_printf(&h->birth, "%s/status", h->prefix);
    if (h->vehicles != NULL && h->alerts != NULL && h->listen_timer != NULL &&
        h->retained != NULL && !h->status.failed && !h->birth.failed)
        return h;
    discovery_free(h);
    return NULL;
}
