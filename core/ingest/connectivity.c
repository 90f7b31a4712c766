#include "ingest/connectivity.h"

#include <string.h>

#include "record/presence_origin.h"
#include "util/clock.h"
#include "vehicle_connectivity.pb-c.h"

/* Vehicles that a tick of a worker states again at most; a restart makes all of them due at once. */
#define RESTATED_MAX 1000

struct connectivity_event {
    const char *topic, *vin, *connection_id, *network_interface, *client_version;
    bool connected;
};

/* The txid of a record of this front-end. Returns its length. */
static size_t connectivity_write_origin(struct fr_ingest *ingest, char text[FR_PRESENCE_ORIGIN_MAX])
{
    struct fr_presence_origin origin = ingest->origin;

    origin.sequence = atomic_fetch_add(&ingest->origin_sequence, 1) + 1;
    return fr_presence_origin_write(&origin, text);
}

static void connectivity_dispatch_event(struct fr_worker *worker,
                                        const struct connectivity_event *event)
{
    Telemetry__VehicleConnectivity__VehicleConnectivity message =
        TELEMETRY__VEHICLE_CONNECTIVITY__VEHICLE_CONNECTIVITY__INIT;
    Google__Protobuf__Timestamp now = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    struct fr_buffer *scratch = &worker->scratch;
    char origin[FR_PRESENCE_ORIGIN_MAX];
    uint8_t *bytes;
    struct fr_record_source source = {
        .vin = event->vin,
        .topic = (const uint8_t *)event->topic,
        .topic_len = strlen(event->topic),
        .txid = (const uint8_t *)event->connection_id,
        .txid_len = strlen(event->connection_id),
        .client_version = event->client_version,
        .received_ms = fr_wall_ms(),
    };
    int64_t ns = fr_wall_ns();
    struct fr_record *record;
    struct fr_error error;

    if (worker->ingest->origin.front_end[0] != '\0') {
        source.txid = (const uint8_t *)origin;
        source.txid_len = connectivity_write_origin(worker->ingest, origin);
    }
    now.seconds = ns / 1000000000;
    now.nanos = (int32_t)(ns % 1000000000);
    message.vin = (char *)(uintptr_t)event->vin;
    message.connection_id = (char *)(uintptr_t)event->connection_id;
    message.network_interface = (char *)(uintptr_t)event->network_interface;
    message.created_at = &now;
    message.status = event->connected
                         ? TELEMETRY__VEHICLE_CONNECTIVITY__CONNECTIVITY_EVENT__CONNECTED
                         : TELEMETRY__VEHICLE_CONNECTIVITY__CONNECTIVITY_EVENT__DISCONNECTED;
    fr_buffer_clear(scratch);
    bytes = fr_buffer_reserve(
        scratch, telemetry__vehicle_connectivity__vehicle_connectivity__get_packed_size(&message));
    if (bytes == NULL)
        return;
    source.payload = bytes;
    source.payload_len =
        telemetry__vehicle_connectivity__vehicle_connectivity__pack(&message, bytes);
    record = fr_record_new(&source, &error);
    if (record == NULL)
        return;
    fr_dispatch_record(worker->dispatch, record, NULL);
    fr_record_unref(record);
}

/* Called with the presence lock held. The record is flushed at once: a record of the same
 * vehicle from another worker must not overtake it. */
static void connectivity_dispatch_presence(struct fr_worker *worker,
                                           struct connectivity_event *event, bool connected)
{
    event->topic = "presence";
    event->connected = connected;
    connectivity_dispatch_event(worker, event);
    fr_dispatch_flush(worker->dispatch);
}

static struct connectivity_event connectivity_event_of(const struct fr_connection *c)
{
    return (struct connectivity_event){
        .topic = "connectivity",
        .vin = c->identity.vin,
        .connection_id = c->identity.connection_id,
        .network_interface = c->identity.network_interface,
        .client_version = c->identity.client_version,
    };
}

static void connectivity_vehicle_connected(void *ctx, const char *vin, bool connected)
{
    struct fr_connection *c = ctx;
    struct connectivity_event event = connectivity_event_of(c);

    event.vin = vin;
    connectivity_dispatch_presence(c->worker, &event, connected);
}

/* The vehicle expired, or is still connected. */
static void connectivity_vehicle_stated(void *ctx, const char *vin, bool connected)
{
    struct connectivity_event event = {
        .vin = vin, .connection_id = "", .network_interface = "", .client_version = ""};

    connectivity_dispatch_presence(ctx, &event, connected);
}

void fr_connectivity_opened(struct fr_connection *c)
{
    struct connectivity_event event = connectivity_event_of(c);

    event.connected = true;
    connectivity_dispatch_event(c->worker, &event);
    c->link.owner = c->worker;
    c->link.slot = c->slot;
    c->link.generation = c->generation;
    c->link.peer = c->peer;
    c->vehicle = fr_presence_up(c->worker->ingest->presence, c->identity.vin, &c->link,
                                fr_monotonic_ms(), connectivity_vehicle_connected, c);
}

void fr_connectivity_closed(struct fr_connection *c)
{
    struct connectivity_event event = connectivity_event_of(c);

    connectivity_dispatch_event(c->worker, &event);
    fr_presence_down(c->worker->ingest->presence, c->vehicle, &c->link, fr_monotonic_ms());
}

void fr_connectivity_expire(struct fr_worker *worker, int64_t now_ms)
{
    while (fr_presence_disconnect(worker->ingest->presence, now_ms, connectivity_vehicle_stated,
                                  worker))
        ;
}

void fr_connectivity_restate(struct fr_worker *worker, int64_t now_ms)
{
    for (int i = 0; i < RESTATED_MAX; i++)
        if (!fr_presence_restate(worker->ingest->presence, now_ms, connectivity_vehicle_stated,
                                 worker))
            break;
}
