#include "ha_websocket/hub.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock_ms.h"
#include "ha_websocket/device.h"
#include "ha_websocket/device_batch.h"
#include "ha_websocket/device_deliveries.h"
#include "ha_websocket/device_registration.h"
#include "ha_websocket/ha_events.h"

#define LOOKUP_INTERVAL_MS 200 /* minimum between two lookups; the registry may be large */
#define TICK_MS 1000

struct hub {
    struct device_env env;
    struct fr_vehicles *vehicles;
    struct ha_events *events;
    size_t registering;
    struct device **queue; /* devices that may have something to send */
    size_t queue_count, queue_capacity;
    struct event *lookup, *tick;
    bool lookup_active;               /* its commands have no answer yet */
    bool lookup_again;                /* after the active lookup */
    int64_t lookup_ms;                /* monotonic; end of the last lookup */
    json_t *trackers;                 /* device id to the registry entry of its tracker */
    bool sending;                     /* hub_send() is on the stack */
    struct fr_text_buffer save_error; /* see struct device_env */
    int64_t save_retry_ms;            /* monotonic */
};

/* ---- the queue ------------------------------------------------------------------- */

static void hub_enqueue_device(struct hub *hub, struct device *device)
{
    if (device_set_queued(device, true))
        return;
    if (hub->queue_count == hub->queue_capacity) {
        size_t capacity = hub->queue_capacity != 0 ? hub->queue_capacity * 2 : 64;
        struct device **more = realloc(hub->queue, capacity * sizeof(struct device *));

        if (more == NULL) {
            device_set_queued(device, false); /* the next tick enqueues the device again */
            return;
        }
        hub->queue = more;
        hub->queue_capacity = capacity;
    }
    hub->queue[hub->queue_count++] = device;
}

void hub_send(struct hub *hub)
{
    size_t i = 0;

    if (hub->sending || !session_ready(hub->env.session))
        return;
    hub->sending = true;
    for (; i < hub->queue_count; i++) {
        struct device *device = hub->queue[i];

        /* Cleared first: a batch without commands completes within device_send_batch() and may
         * enqueue the device again. */
        device_set_queued(device, false);
        if (!device_send_batch(device)) {
            device_set_queued(device, true);
            break; /* an answer frees capacity and calls hub_send() again */
        }
    }
    if (i != 0)
        memmove(hub->queue, hub->queue + i, (hub->queue_count - i) * sizeof(struct device *));
    hub->queue_count -= i;
    hub->sending = false;
}

static void hub_on_device_writable(void *ctx, struct device *device)
{
    hub_enqueue_device(ctx, device);
    hub_send(ctx);
}

static void hub_on_writable(void *ctx)
{
    struct hub *hub = ctx;

    hub_send(hub);
    ha_events_send(hub->events);
}

/* ---- lookup in Home Assistant ---------------------------------------------------- */

/* Look devices up in `ms` milliseconds, or at the time that is already scheduled if that is
 * earlier. */
static void hub_schedule_lookup(void *ctx, int64_t ms)
{
    struct hub *hub = ctx;
    int64_t since = fr_clock_monotonic_ms() - hub->lookup_ms;
    struct timeval pause, left;

    if (hub->lookup_active) {
        hub->lookup_again = true;
        return;
    }
    if (ms < LOOKUP_INTERVAL_MS - since)
        ms = LOOKUP_INTERVAL_MS - since;
    pause = (struct timeval){ms / 1000, ms % 1000 * 1000};
    if (event_pending(hub->lookup, EV_TIMEOUT, &left)) {
        struct timeval now, in;

        event_base_gettimeofday_cached(hub->env.host->event_base(hub->env.sink), &now);
        evutil_timersub(&left, &now, &in);
        if (evutil_timercmp(&in, &pause, <=))
            return;
    }
    event_add(hub->lookup, &pause);
}

/* Home Assistant's states by entity id. The caller frees the result. */
static json_t *hub_states_by_id(const json_t *states)
{
    json_t *by_id = json_object(), *state;
    size_t i;

    json_array_foreach(states, i, state)
    {
        const char *id = json_string_value(json_object_get(state, "entity_id"));

        if (id != NULL)
            json_object_set(by_id, id, state);
    }
    return by_id;
}

static void hub_apply_findings(const struct hub *hub, struct device *device, const json_t *states)
{
    struct fr_text_buffer device_id = {0};
    const json_t *entry, *state, *attributes, *latitude, *longitude;
    const char *id, *text, *disabled_by;
    bool tracker_disabled;

    device_append_id(device, &device_id);
    entry = json_object_get(hub->trackers, fr_text_buffer_string(&device_id));
    fr_text_buffer_free(&device_id);
    id = json_string_value(json_object_get(entry, "entity_id"));
    state = id != NULL ? json_object_get(states, id) : NULL;
    text = json_string_value(json_object_get(state, "state"));
    attributes = json_object_get(state, "attributes");
    latitude = json_object_get(attributes, "latitude");
    longitude = json_object_get(attributes, "longitude");
    disabled_by = json_string_value(json_object_get(entry, "disabled_by"));
    /* A user may disable the tracker without the device; the other entities are still sent. */
    tracker_disabled = disabled_by != NULL && strcmp(disabled_by, "user") == 0;
    device_apply_findings(
        device,
        &(struct device_findings){
            .registered = id != NULL,
            .disabled = disabled_by != NULL && !tracker_disabled,
            .entity_id = id,
            .has_state = tracker_disabled || (text != NULL && strcmp(text, "unavailable") != 0),
            .has_position = json_is_number(latitude) && json_is_number(longitude),
            .latitude = json_number_value(latitude),
            .longitude = json_number_value(longitude),
        });
}

static void hub_end_lookup(struct hub *hub)
{
    hub->lookup_active = false;
    hub->lookup_ms = fr_clock_monotonic_ms();
    if (hub->lookup_again) {
        hub->lookup_again = false;
        hub_schedule_lookup(hub, 0);
    }
}

static void hub_on_states(void *ctx, const json_t *result, const char *error)
{
    struct hub *hub = ctx;
    json_t *by_id;

    hub_end_lookup(hub);
    if (error != NULL) {
        hub_schedule_lookup(hub, TICK_MS);
        return;
    }
    by_id = hub_states_by_id(result);
    for (struct fr_ha_vehicle *v = fr_vehicles_first(hub->vehicles); v != NULL; v = v->next)
        if (v->own != NULL)
            hub_apply_findings(hub, v->own, by_id);
    json_decref(by_id);
    hub_send(hub);
}

static void hub_on_registry(void *ctx, const json_t *result, const char *error)
{
    struct hub *hub = ctx;
    size_t i;
    json_t *entry;

    json_object_clear(hub->trackers);
    json_array_foreach(result, i, entry)
    {
        const char *platform = json_string_value(json_object_get(entry, "platform"));
        const char *id = json_string_value(json_object_get(entry, "entity_id"));
        const char *vin = json_string_value(json_object_get(entry, "unique_id"));

        if (platform != NULL && strcmp(platform, "mobile_app") == 0 && id != NULL && vin != NULL &&
            strncmp(id, "device_tracker.", strlen("device_tracker.")) == 0)
            json_object_set(hub->trackers, vin, entry);
    }
    if (error != NULL || !session_send(hub->env.session, json_pack("{s:s}", "type", "get_states"),
                                       hub_on_states, hub)) {
        hub_end_lookup(hub);
        hub_schedule_lookup(hub, TICK_MS);
    }
}

static void hub_lookup(evutil_socket_t fd, short what, void *ctx)
{
    struct hub *hub = ctx;

    (void)fd, (void)what;
    if (hub->lookup_active || !session_ready(hub->env.session))
        return;
    hub->lookup_active =
        session_send(hub->env.session, json_pack("{s:s}", "type", "config/entity_registry/list"),
                     hub_on_registry, hub);
    if (!hub->lookup_active)
        hub_schedule_lookup(hub, TICK_MS);
}

/* ---- the session's events -------------------------------------------------------- */

static void hub_report_connected(void *ctx)
{
    struct hub *hub = ctx;
    const struct device_env *env = &hub->env;
    bool saved = hub->save_error.len == 0;

    if (env->session == NULL || !session_ready(env->session))
        return; /* the session has reported the cause */
    env->host->health(env->sink, saved ? FR_HEALTH_UP : FR_HEALTH_DEGRADED,
                      "connected to Home Assistant %s%s%s%s", session_version(env->session),
                      saved ? "" : "; ", fr_text_buffer_string(&hub->save_error),
                      saved ? "" : "; a restart before that registers vehicles again");
}

/* Try again to save registrations that could not be saved. */
static void hub_retry_save(struct hub *hub)
{
    bool saved = true;

    if (hub->env.folder == NULL)
        hub->env.folder = hub->env.host->state_dir(hub->env.sink);
    if (hub->save_error.len == 0)
        return;
    for (struct fr_ha_vehicle *v = fr_vehicles_first(hub->vehicles); v != NULL; v = v->next)
        if (v->own != NULL && !device_save(v->own))
            saved = false;
    if (!saved)
        return;
    fr_text_buffer_clear(&hub->save_error);
    hub->env.host->log(hub->env.sink, FR_LOG_NOTICE, "registrations are saved again");
    hub_report_connected(hub);
}

static void hub_on_ready(void *ctx)
{
    struct hub *hub = ctx;

    hub->lookup_active = hub->lookup_again = false;
    hub_report_connected(hub);
    hub_schedule_lookup(hub, 0);
}

static void hub_on_lost(void *ctx)
{
    struct hub *hub = ctx;

    hub->lookup_active = false;
    event_del(hub->lookup);
    for (struct fr_ha_vehicle *v = fr_vehicles_first(hub->vehicles); v != NULL; v = v->next)
        if (v->own != NULL)
            device_disconnected(v->own);
    ha_events_disconnected(hub->events);
}

static void hub_on_tick(evutil_socket_t fd, short what, void *ctx)
{
    struct hub *hub = ctx;

    (void)fd, (void)what;
    hub_retry_save(hub);
    if (!session_ready(hub->env.session))
        return;
    for (struct fr_ha_vehicle *v = fr_vehicles_first(hub->vehicles); v != NULL; v = v->next)
        if (v->own != NULL && device_tick(v->own))
            hub_enqueue_device(hub, v->own);
    hub_send(hub);
}

/* ---- deliveries ------------------------------------------------------------------ */

static bool hub_is_event(const struct fr_delivery *d)
{
    return d->kind == FR_DELIVERY_RECORD && strcmp(d->record_type, "presence") != 0 &&
           strcmp(d->record_type, "connectivity") != 0;
}

void hub_receive(struct hub *hub, struct fr_delivery *d)
{
    struct device_env *env = &hub->env;
    struct fr_ha_vehicle *vehicle;

    if (!session_ready(env->session)) {
        env->host->done(env->sink, d, FR_RETRY);
        return;
    }
    if (hub_is_event(d)) {
        ha_events_enqueue(hub->events, env->session, d);
        return;
    }
    vehicle = fr_vehicles_receive(hub->vehicles, d, fr_clock_wall_ms());
    if (vehicle != NULL && vehicle->own == NULL) {
        vehicle->own = device_new(env, vehicle);
        hub_schedule_lookup(hub, 0);
    }
    if (vehicle == NULL || vehicle->own == NULL) {
        env->host->fail(
            env->sink, d, FR_REFUSED,
            "no entity is created: the maximum is %d vehicles and %d fields that are not in "
            "the catalogue; route fewer",
            FR_VEHICLES_MAX, FR_UNKNOWN_FIELDS_MAX);
        return;
    }
    device_enqueue(vehicle->own, d);
    hub_enqueue_device(hub, vehicle->own);
}

/* ---- life ------------------------------------------------------------------------ */

void hub_free(struct hub *hub)
{
    if (hub == NULL)
        return;
    session_free(hub->env.session);
    hub->env.session = NULL;
    hub->save_retry_ms = 0; /* try to save now, for the last time */
    fr_vehicles_free(hub->vehicles, device_free);
    ha_events_free(hub->events);
    if (hub->lookup != NULL)
        event_free(hub->lookup);
    if (hub->tick != NULL)
        event_free(hub->tick);
    json_decref(hub->trackers);
    fr_text_buffer_free(&hub->save_error);
    free(hub->queue);
    free(hub);
}

struct hub *hub_new(struct fr_sink *sink, const struct fr_host *host, const struct peer *peer,
                    const struct fr_entities *entities)
{
    static const struct session_events events = {hub_on_ready, hub_on_lost, hub_on_writable};
    const struct timeval second = {TICK_MS / 1000, TICK_MS % 1000 * 1000};
    struct hub *hub = calloc(1, sizeof *hub);

    if (hub == NULL)
        return NULL;
    hub->env = (struct device_env){
        .sink = sink,
        .host = host,
        .peer = peer,
        .folder = host->state_dir(sink),
        .save_error = &hub->save_error,
        .save_retry_ms = &hub->save_retry_ms,
        .registering = &hub->registering,
        .gap_ms = host->number(sink, "position_gap"),
        .lookup = hub_schedule_lookup,
        .report_connected = hub_report_connected,
        .on_writable = hub_on_device_writable,
        .ctx = hub,
    };
    hub->vehicles = fr_vehicles_new(entities, host->number(sink, "position_age"));
    hub->events = ha_events_new(sink, host);
    hub->trackers = json_object();
    hub->lookup = event_new(host->event_base(sink), -1, 0, hub_lookup, hub);
    hub->tick = event_new(host->event_base(sink), -1, EV_PERSIST, hub_on_tick, hub);
    if (hub->vehicles != NULL && hub->events != NULL && hub->trackers != NULL &&
        hub->lookup != NULL && hub->tick != NULL && event_add(hub->tick, &second) == 0)
        hub->env.session = session_new(sink, host, peer, &events, hub);
    if (hub->env.session != NULL)
        return hub;
    hub_free(hub);
    return NULL;
}
