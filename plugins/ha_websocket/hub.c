#include "ha_websocket/hub.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock_ms.h"
#include "ha_websocket/device.h"
#include "ha_websocket/notes.h"

#define LOOK_LEAST_MS 200 /* between two looks into the registry, which may be long */
#define TICK_MS 1000

struct hub {
    struct device_house house;
    struct fr_vehicles *vehicles;
    struct notes *notes;
    size_t registering;
    struct device **queue; /* of those that may have something to send */
    size_t queue_count, queue_room;
    struct event *look, *tick;
    bool looking;     /* commands are under way */
    bool look_wanted; /* when they are done */
    int64_t looked_ms;
    json_t *trackers; /* VIN to its tracker's registry entry */
    bool going;
    struct fr_text_buffer not_written; /* see device_house */
    int64_t write_again_ms;
};

/* ---- the queue ------------------------------------------------------------------- */

static void queue(struct hub *hub, struct device *device)
{
    if (device_queue(device, true))
        return;
    if (hub->queue_count == hub->queue_room) {
        size_t room = hub->queue_room != 0 ? hub->queue_room * 2 : 64;
        struct device **more = realloc(hub->queue, room * sizeof(struct device *));

        if (more == NULL) {
            device_queue(device, false); /* the next tick comes back to it */
            return;
        }
        hub->queue = more;
        hub->queue_room = room;
    }
    hub->queue[hub->queue_count++] = device;
}

void hub_go(struct hub *hub)
{
    size_t i = 0;

    if (hub->going || !session_ready(hub->house.session))
        return;
    hub->going = true;
    for (; i < hub->queue_count; i++) {
        struct device *device = hub->queue[i];

        /* Cleared first: a batch without commands completes within device_fly() and may enqueue
         * the device again. */
        device_queue(device, false);
        if (!device_fly(device)) {
            device_queue(device, true);
            break; /* an answer makes room, and calls again */
        }
    }
    if (i != 0)
        memmove(hub->queue, hub->queue + i, (hub->queue_count - i) * sizeof(struct device *));
    hub->queue_count -= i;
    hub->going = false;
}

static void landed(void *ctx, void *device)
{
    queue(ctx, device);
    hub_go(ctx);
}

static void room(void *ctx)
{
    struct hub *hub = ctx;

    hub_go(hub);
    notes_go(hub->notes);
}

/* ---- looking into Home Assistant ------------------------------------------------- */

static void look_again(void *ctx, int64_t ms)
{
    struct hub *hub = ctx;
    int64_t since = fr_clock_monotonic_ms() - hub->looked_ms;
    struct timeval pause, left;

    if (hub->looking) {
        hub->look_wanted = true;
        return;
    }
    if (ms < LOOK_LEAST_MS - since)
        ms = LOOK_LEAST_MS - since;
    pause = (struct timeval){ms / 1000, ms % 1000 * 1000};
    if (event_pending(hub->look, EV_TIMEOUT, &left)) {
        struct timeval now, in;

        event_base_gettimeofday_cached(hub->house.host->event_base(hub->house.sink), &now);
        evutil_timersub(&left, &now, &in);
        if (evutil_timercmp(&in, &pause, <=))
            return;
    }
    event_add(hub->look, &pause);
}

/* Home Assistant's states by entity id. The caller's to free. */
static json_t *states_by_id(const json_t *states)
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

static void find(const struct hub *hub, struct device *device, const json_t *states)
{
    struct fr_text_buffer vin = {0};
    const json_t *entry, *state, *attributes, *latitude, *longitude;
    const char *id, *is, *disabled_by;
    bool alone;

    device_id(device, &vin);
    entry = json_object_get(hub->trackers, fr_text_buffer_string(&vin));
    fr_text_buffer_free(&vin);
    id = json_string_value(json_object_get(entry, "entity_id"));
    state = id != NULL ? json_object_get(states, id) : NULL;
    is = json_string_value(json_object_get(state, "state"));
    attributes = json_object_get(state, "attributes");
    latitude = json_object_get(attributes, "latitude");
    longitude = json_object_get(attributes, "longitude");
    disabled_by = json_string_value(json_object_get(entry, "disabled_by"));
    /* A tracker alone that the user has no use for is no reason to be silent. */
    alone = disabled_by != NULL && strcmp(disabled_by, "user") == 0;
    device_find(device, &(struct device_findings){
                            .registered = id != NULL,
                            .disabled = disabled_by != NULL && !alone,
                            .entity_id = id,
                            .has_state = alone || (is != NULL && strcmp(is, "unavailable") != 0),
                            .has_place = json_is_number(latitude) && json_is_number(longitude),
                            .latitude = json_number_value(latitude),
                            .longitude = json_number_value(longitude),
                        });
}

static void end_looking(struct hub *hub)
{
    hub->looking = false;
    hub->looked_ms = fr_clock_monotonic_ms();
    if (hub->look_wanted) {
        hub->look_wanted = false;
        look_again(hub, 0);
    }
}

static void see_states(void *ctx, const json_t *result, const char *error)
{
    struct hub *hub = ctx;
    json_t *by_id;

    end_looking(hub);
    if (error != NULL) {
        look_again(hub, TICK_MS);
        return;
    }
    by_id = states_by_id(result);
    for (struct fr_ha_vehicle *v = fr_vehicles_first(hub->vehicles); v != NULL; v = v->next)
        if (v->own != NULL)
            find(hub, v->own, by_id);
    json_decref(by_id);
    hub_go(hub);
}

static void see_registry(void *ctx, const json_t *result, const char *error)
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
    if (error != NULL || !session_send(hub->house.session, json_pack("{s:s}", "type", "get_states"),
                                       see_states, hub)) {
        end_looking(hub);
        look_again(hub, TICK_MS);
    }
}

static void look(evutil_socket_t fd, short what, void *ctx)
{
    struct hub *hub = ctx;

    (void)fd, (void)what;
    if (hub->looking || !session_ready(hub->house.session))
        return;
    hub->looking =
        session_send(hub->house.session, json_pack("{s:s}", "type", "config/entity_registry/list"),
                     see_registry, hub);
    if (!hub->looking)
        look_again(hub, TICK_MS);
}

/* ---- the session's events -------------------------------------------------------- */

static void hub_report_connected(void *ctx)
{
    struct hub *hub = ctx;
    const struct device_house *house = &hub->house;
    bool well = hub->not_written.len == 0;

    if (house->session == NULL || !session_ready(house->session))
        return; /* the session has reported why */
    house->host->health(house->sink, well ? FR_HEALTH_UP : FR_HEALTH_DEGRADED,
                        "connected to Home Assistant %s%s%s%s", session_version(house->session),
                        well ? "" : "; ", fr_text_buffer_string(&hub->not_written),
                        well ? "" : "; until then a restart registers vehicles again");
}

/* Write registrations that could not be written. */
static void hub_write_again(struct hub *hub)
{
    bool written = true;

    if (hub->house.folder == NULL)
        hub->house.folder = hub->house.host->state_dir(hub->house.sink);
    if (hub->not_written.len == 0)
        return;
    for (struct fr_ha_vehicle *v = fr_vehicles_first(hub->vehicles); v != NULL; v = v->next)
        if (v->own != NULL && !device_remember(v->own))
            written = false;
    if (!written)
        return;
    fr_text_buffer_clear(&hub->not_written);
    hub->house.host->log(hub->house.sink, FR_LOG_NOTICE, "registrations are written again");
    hub_report_connected(hub);
}

static void ready(void *ctx)
{
    struct hub *hub = ctx;

    hub->looking = hub->look_wanted = false;
    hub_report_connected(hub);
    look_again(hub, 0);
}

static void lost(void *ctx)
{
    struct hub *hub = ctx;

    hub->looking = false;
    event_del(hub->look);
    for (struct fr_ha_vehicle *v = fr_vehicles_first(hub->vehicles); v != NULL; v = v->next)
        if (v->own != NULL)
            device_lost(v->own);
    notes_lost(hub->notes);
}

static void tick(evutil_socket_t fd, short what, void *ctx)
{
    struct hub *hub = ctx;

    (void)fd, (void)what;
    hub_write_again(hub);
    if (!session_ready(hub->house.session))
        return;
    for (struct fr_ha_vehicle *v = fr_vehicles_first(hub->vehicles); v != NULL; v = v->next)
        if (v->own != NULL && device_tick(v->own))
            queue(hub, v->own);
    hub_go(hub);
}

/* ---- deliveries ------------------------------------------------------------------ */

static bool is_note(const struct fr_delivery *d)
{
    return d->kind == FR_DELIVERY_RECORD && strcmp(d->record_type, "presence") != 0 &&
           strcmp(d->record_type, "connectivity") != 0;
}

void hub_take(struct hub *hub, struct fr_delivery *d)
{
    struct device_house *house = &hub->house;
    struct fr_ha_vehicle *vehicle;
    bool moved;

    if (!session_ready(house->session)) {
        house->host->done(house->sink, d, FR_RETRY);
        return;
    }
    if (is_note(d)) {
        notes_send(hub->notes, house->session, d);
        return;
    }
    vehicle = fr_vehicles_take(hub->vehicles, d, fr_clock_wall_ms(), &moved);
    if (vehicle != NULL && vehicle->own == NULL) {
        vehicle->own = device_new(house, vehicle);
        look_again(hub, 0);
    }
    if (vehicle == NULL || vehicle->own == NULL) {
        house->host->fail(
            house->sink, d, FR_REFUSED,
            "no entity is made: Home Assistant gets %d vehicles and %d fields that the "
            "catalogue does not know, no more; route fewer",
            FR_VEHICLES_MAX, FR_UNKNOWN_FIELDS_MAX);
        return;
    }
    device_join(vehicle->own, d);
    queue(hub, vehicle->own);
}

/* ---- life ------------------------------------------------------------------------ */

void hub_free(struct hub *hub)
{
    if (hub == NULL)
        return;
    session_free(hub->house.session);
    hub->house.session = NULL;
    hub->write_again_ms = 0; /* the last try */
    fr_vehicles_free(hub->vehicles, device_free);
    notes_free(hub->notes);
    if (hub->look != NULL)
        event_free(hub->look);
    if (hub->tick != NULL)
        event_free(hub->tick);
    json_decref(hub->trackers);
    fr_text_buffer_free(&hub->not_written);
    free(hub->queue);
    free(hub);
}

struct hub *hub_new(struct fr_sink *sink, const struct fr_host *host, const struct peer *peer,
                    const struct fr_entities *entities)
{
    static const struct session_events events = {ready, lost, room};
    const struct timeval second = {TICK_MS / 1000, TICK_MS % 1000 * 1000};
    struct hub *hub = calloc(1, sizeof *hub);

    if (hub == NULL)
        return NULL;
    hub->house = (struct device_house){
        .sink = sink,
        .host = host,
        .peer = peer,
        .folder = host->state_dir(sink),
        .not_written = &hub->not_written,
        .write_again_ms = &hub->write_again_ms,
        .registering = &hub->registering,
        .gap_ms = host->number(sink, "position_gap"),
        .look_again = look_again,
        .connected = hub_report_connected,
        .landed = landed,
        .ctx = hub,
    };
    hub->vehicles = fr_vehicles_new(entities, host->number(sink, "position_age"));
    hub->notes = notes_new(sink, host);
    hub->trackers = json_object();
    hub->look = event_new(host->event_base(sink), -1, 0, look, hub);
    hub->tick = event_new(host->event_base(sink), -1, EV_PERSIST, tick, hub);
    if (hub->vehicles != NULL && hub->notes != NULL && hub->trackers != NULL && hub->look != NULL &&
        hub->tick != NULL && event_add(hub->tick, &second) == 0)
        hub->house.session = session_new(sink, host, peer, &events, hub);
    if (hub->house.session != NULL)
        return hub;
    hub_free(hub);
    return NULL;
}
