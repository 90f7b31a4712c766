/*
 * The connection of a simulated vehicle, which behaves like a vehicle of Tesla: mutual TLS, a
 * request to `/` that offers permessage-deflate, one TLS record for each message, and a buffer of
 * 5,000 messages, from which unacknowledged ones are sent again after a reconnect.
 *
 * All functions are called by the thread that runs the loop. Callbacks run in it, too; a callback
 * may call any function except fr_car_free() and fr_car_leave().
 */
#ifndef FR_VEHICLE_CLIENT_H
#define FR_VEHICLE_CLIENT_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "sim/sim_loop.h"

/* Max size of the reason that `closed` receives, in bytes. */
#define FR_CAR_REASON_SIZE 192

struct fr_car;

struct fr_car_settings {
    const char *vin;  /* copied */
    SSL_CTX *context; /* with the certificate of the vehicle, which takes a reference */
    struct sockaddr_storage address;
    socklen_t address_len;
    struct sockaddr_storage source; /* local address to bind to */
    socklen_t source_len;           /* 0: not bound */
    const char *server_name;        /* not copied */
    const char *network_interface;  /* "wifi" or "cellular"; not copied */
    size_t window;                  /* max messages sent and not acknowledged */
    bool no_reconnect;              /* do not reconnect after the connection ends */
    int64_t retry_ms;               /* first pause before a reconnect; doubles up to 30 s; 0: 500 */
    /* Callbacks; each may be NULL. */
    void (*opened)(void *ctx, struct fr_car *car); /* the WebSocket is open */
    void (*acknowledged)(void *ctx, struct fr_car *car, const char *txid, int64_t waited_us);
    void (*refused)(void *ctx, struct fr_car *car, const char *txid); /* an error reply */
    void (*closed)(void *ctx, struct fr_car *car, const char *reason);
    void *ctx;
};

/* Make a vehicle, which is offline. The caller frees it. */
struct fr_car *fr_car_new(struct fr_sim_loop *sim_loop, const struct fr_car_settings *settings);
void fr_car_free(struct fr_car *car);

/* Connect, and reconnect whenever the connection ends. Nothing if the vehicle is not offline. */
void fr_car_connect(struct fr_car *car);

/* Close the connection without a close frame, as in a tunnel, and reconnect after `offline_ms`. */
void fr_car_lose_connection(struct fr_car *car, int64_t offline_ms);

/* Send a close frame, close the connection and do not reconnect. */
void fr_car_leave(struct fr_car *car);

/* Append a copy of a message of a topic to the buffer. It is sent when the window allows. The
 * oldest message is dropped if the buffer is full. After a reconnect, unacknowledged messages are
 * sent again, with is_resend if their topic is V. */
void fr_car_send(struct fr_car *car, const char *topic, const uint8_t *payload, size_t len);

/* Whether the WebSocket is open. */
bool fr_car_is_open(const struct fr_car *car);

/* Whether the last connection ended because the vehicle did not accept the server's certificate.
 * Valid in the callback `closed`, too. */
bool fr_car_distrusts_server(const struct fr_car *car);

/* The number of messages in the buffer without a reply. */
size_t fr_car_waiting(const struct fr_car *car);

/* The numbers of messages sent, including repeated ones, and dropped from a full buffer. */
uint64_t fr_car_sent(const struct fr_car *car);
uint64_t fr_car_dropped(const struct fr_car *car);

#endif
