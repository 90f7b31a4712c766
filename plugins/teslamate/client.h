/*
 * The connections of clients: HTTP requests, and WebSockets that requests turn into.
 *
 * A client is hostile until it has presented a token, and bounded afterwards: in the size of a request
 * and of a message, in the time of both, and in the bytes that wait for it. A client that exceeds a
 * bound is closed, not waited for. What a request or a message means is decided by the handlers.
 *
 * A client is freed only by clients_reap() and clients_free(), so that no function invalidates a client
 * that its caller holds. Everything runs on the sink's thread.
 */
#ifndef FR_TESLAMATE_CLIENT_H
#define FR_TESLAMATE_CLIENT_H

#include <event2/bufferevent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

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

/* Make an empty list. NULL: no memory. */
struct clients *clients_new(struct event_base *base, const struct clients_limits *limits,
                            const struct clients_handlers *handlers, void *ctx);

/* Close all connections; NULL is allowed. */
void clients_free(struct clients *clients);

/* Take an accepted connection. `socket` is owned from now on. False: it was refused and freed. */
bool clients_add(struct clients *clients, struct bufferevent *socket,
                 const struct sockaddr_storage *peer);

/* Whether a connection from this address would be refused. Makes capacity by closing a connection that
 * has not presented a token. */
bool clients_is_full(struct clients *clients, const struct sockaddr_storage *peer);

/* Close late and slow connections. To be called every second. `now_ms`: monotonic. */
void clients_check(struct clients *clients, int64_t now_ms);

/* End all WebSockets that have presented a token, so that it is checked again. */
void clients_end_streams(struct clients *clients);

/* Changed by every function of this file. */
struct clients_counts *clients_counts(struct clients *clients);

/* ---- for the handlers ------------------------------------------------------------- */

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
