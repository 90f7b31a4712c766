/*
 * vehicle_client.h - a vehicle's end of the wire, with a car's habits: mutual TLS, the request
 * to `/` with an offer of permessage-deflate, one TLS record a message, a buffer of 5,000
 * messages that outlives the connection, and resends of what was not acknowledged.
 */
#ifndef FR_VEHICLE_CLIENT_H
#define FR_VEHICLE_CLIENT_H

#include <event2/event.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Messages that a car keeps while it is offline or unacknowledged. */
#define FR_CAR_BUFFER 5000

struct fr_garage; /* what the cars of one thread share: event base and buffers */
struct fr_car;

struct fr_garage *fr_garage_new(void);
void fr_garage_free(struct fr_garage *garage);
struct event_base *fr_garage_base(struct fr_garage *garage);

struct fr_car_settings {
    const char *vin;
    SSL_CTX *context; /* with the car's certificate; counted by the car */
    struct sockaddr_storage address;
    socklen_t address_len;
    const char *server_name;
    const char *network_interface; /* "wifi" or "cellular" */
    size_t window;                 /* messages sent and not acknowledged, at most */
    bool stay_away;                /* do not come back by itself after the connection ends */
    int64_t retry_ms;              /* first pause before coming back; doubles up to 30 s */
    void (*opened)(void *ctx, struct fr_car *car);
    void (*acknowledged)(void *ctx, struct fr_car *car, const char *txid, int64_t waited_us);
    void (*refused)(void *ctx, struct fr_car *car, const char *txid); /* an error reply */
    void (*closed)(void *ctx, struct fr_car *car, const char *why);
    void *ctx;
};

/* Make a car; it does nothing yet. */
struct fr_car *fr_car_new(struct fr_garage *garage, const struct fr_car_settings *settings);
void fr_car_free(struct fr_car *car);

/* Connect, and come back whenever the connection ends. */
void fr_car_connect(struct fr_car *car);

/* Drop the connection without a word, as in a tunnel, and come back after so many ms. */
void fr_car_lose_connection(struct fr_car *car, int64_t back_ms);

/* Say goodbye (close frame) and stay away. */
void fr_car_leave(struct fr_car *car);

/* Put a vehicle_data.Payload (or another topic's message) into the buffer; it goes out when the
 * window lets it. The oldest is dropped when 5,000 wait. After a reconnect what was sent and
 * not acknowledged goes out again, with is_resend for topic V. */
void fr_car_send(struct fr_car *car, const char *topic, const uint8_t *payload, size_t len);

bool fr_car_is_open(const struct fr_car *car);
size_t fr_car_waiting(const struct fr_car *car); /* messages not acknowledged */
uint64_t fr_car_sent(const struct fr_car *car);
uint64_t fr_car_dropped(const struct fr_car *car);

#endif
