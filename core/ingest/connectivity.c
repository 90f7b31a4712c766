#include "ingest/connectivity.h"

#include <string.h>

#include "util/clock.h"
#include "vehicle_connectivity.pb-c.h"

struct connectivity_event {
    const char *topic, *vin, *connection_id, *network_interface, *client_version;
    bool connected;
};

static void connectivity_dispatch_event(struct fr_worker *worker,
                                        const struct connectivity_event *event)
{
    Telemetry__VehicleConnectivity__VehicleConnectivity message =
        TELEMETRY__VEHICLE_CONNECTIVITY__VEHICLE_CONNECTIVITY__INIT;
    Google__Protobuf__Timestamp now = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    struct fr_buffer *scratch = &worker->scratch;
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

static void connectivity_vehicle_expired(void *ctx, const char *vin, bool connected)
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
                                connectivity_vehicle_connected, c);
}

void fr_connectivity_closed(struct fr_connection *c)
{
    struct connectivity_event event = connectivity_event_of(c);

    connectivity_dispatch_event(c->worker, &event);
    fr_presence_down(c->worker->ingest->presence, c->vehicle, &c->link, fr_monotonic_ms());
}

void fr_connectivity_expire(struct fr_worker *worker, int64_t now_ms)
{
    while (fr_presence_disconnect(worker->ingest->presence, now_ms, connectivity_vehicle_expired,
                                  worker))
        ;
}
