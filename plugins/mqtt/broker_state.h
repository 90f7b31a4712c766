/*
 * The state of a connection, shared by broker.c and broker_publish.c. Only the sink's thread uses
 * it.
 */
#ifndef FR_BROKER_STATE_H
#define FR_BROKER_STATE_H

#include "mqtt/broker.h"
#include "mqtt/client_id.h"
#include "mqtt/in_flight.h"
#include "mqtt/suspect.h"
#include "text_buffer.h"

struct broker {
    struct fr_sink *sink;
    const struct fr_host *host;
    const char *will;
    const char *without_v5; /* what is missing in a connection with MQTT 3.1.1; NULL: nothing */
    const struct broker_events *events;
    void *ctx;
    struct mosquitto *client; /* NULL: neither connected nor connecting */
    bool up;
    bool version_known; /* the broker accepted `version` in this connection */
    bool refused;       /* the refusal was reported; the disconnection needs no report */
    int version;        /* MQTT_PROTOCOL_* */
    struct event *readable, *writable, *misc, *reconnect;
    int64_t retry_ms;
    struct client_id own_id; /* used without the option `client_id` */
    struct fr_text_buffer client_id;
    int reason;           /* of the broker's DISCONNECT (MQTT 5); 0: none */
    int64_t connected_ms; /* monotonic */
    unsigned short_count; /* consecutive connections that were lost within SHORT_MS */
    int qos;
    struct job_queue *jobs;
    struct in_flight in_flight;
    struct suspect suspect;
    int64_t progress_ms; /* monotonic: last confirmation, or first message in flight */
};

#endif
