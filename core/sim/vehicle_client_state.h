/* The contents of struct fr_car. Internal to core/sim. */
#ifndef FR_VEHICLE_CLIENT_STATE_H
#define FR_VEHICLE_CLIENT_STATE_H

#include <event2/event.h>

#include "ingest/tls_stream.h"
#include "ingest/websocket.h"
#include "sim/sim_loop_state.h"
#include "sim/vehicle_buffer.h"
#include "sim/vehicle_client.h"
#include "util/buffer.h"

enum client_state {
    CLIENT_OFFLINE,
    CLIENT_CONNECTING,
    CLIENT_HANDSHAKE,
    CLIENT_UPGRADE,
    CLIENT_OPEN
};

struct fr_car {
    struct fr_sim_loop *sim_loop;
    struct fr_car_settings settings;
    char vin[65];
    enum client_state state;
    int fd;
    struct event *event, *timer;
    event_callback_fn on_event; /* of `event` */
    bool writing;               /* `event` also waits until the socket is writable */
    struct fr_tls_stream tls;
    struct fr_ws ws;
    struct fr_buffer head;   /* the HTTP response received so far */
    struct fr_buffer unsent; /* ciphertext that the socket has not accepted */
    int64_t retry_ms;        /* the pause before the next reconnect */
    int64_t offline_ms;      /* the timer closes the connection for this time; -1: it does not */
    bool broken;             /* sending failed; the timer closes the connection */
    bool distrusts_server;   /* the server's last certificate was not accepted */
    const char *fault;       /* of the server's responses; NULL: none */
    struct fr_car_buffer buffer;
    uint64_t sent; /* messages, including repeated ones */
};

#endif
