/*
 * A connection of a client: HTTP requests, and a WebSocket that a request turns into.
 *
 * A client is hostile until it has presented a token, and bounded afterwards: in the size of a request
 * and of a message, in the time of both, and in the bytes that wait for it. A client that exceeds a
 * bound is closed. The handlers decide what a request or a message means.
 *
 * No function of this file frees a client (clients.h). Everything runs on the sink's thread.
 */
#ifndef FR_TESLAMATE_CLIENT_H
#define FR_TESLAMATE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "teslamate/request.h"

struct client;
struct clients;
struct subscription;

struct clients_limits {
    size_t max, max_per_address; /* connections */
    size_t buffer_bytes;         /* that wait for one WebSocket */
};

/* Since the start of the sink. */
struct clients_counts {
    size_t connections, websockets, subscriptions; /* at present */
    unsigned long long accepted;
    unsigned long long refused;   /* closed at once: too many connections */
    unsigned long long slow;      /* closed: buffer_bytes reached, or nothing read for a minute */
    unsigned long long late;      /* closed: no complete request or subscription in time */
    unsigned long long malformed; /* closed: an error of HTTP or of the WebSocket */
    unsigned long long unauthorised; /* wrong or missing tokens */
};

struct clients_handlers {
    /* Answer a complete request with client_answer(), or with client_upgrade(). */
    void (*request)(void *ctx, struct client *client, const struct request *request,
                    const char *content);
    /* A text message of a WebSocket. */
    void (*message)(void *ctx, struct client *client, const char *text, size_t len);
    /* A WebSocket was opened. */
    void (*opened)(void *ctx, struct client *client);
    /* The client is to be freed: release what belongs to it. */
    void (*closed)(void *ctx, struct client *client);
    /* Called about every second for an open WebSocket. */
    void (*tick)(void *ctx, struct client *client, int64_t now_ms);
};

/* Answer a request with a JSON text. Status 401 counts a wrong token, and closes the connection. */
void client_answer(struct client *client, int status, const char *json);

/* Answer a request for a WebSocket. `authorised`: this request has presented a token; one of an earlier
 * request of the connection does not count. */
void client_upgrade(struct client *client, const char *key, bool authorised);

/* Send a text message. Nothing is sent to a client that is being closed. */
void client_send(struct client *client, const char *text, size_t len);

/* End a WebSocket with a close code of RFC 6455, after what was sent. */
void client_end(struct client *client, unsigned code);

/* The client has presented a token, or a wrong one: the third wrong one ends the WebSocket. */
void client_authorise(struct client *client);
void client_refuse(struct client *client);
bool client_is_authorised(const struct client *client);

/* Members for the handlers, which the client does not use. */
struct client_own {
    struct subscription *subscriptions;
    size_t subscription_count;
    int64_t hello_ms; /* monotonic */
};
struct client_own *client_own(struct client *client);

#endif
