/*
 * The state of a connection, shared by connection.c and connection_login.c. Only the sink's thread
 * uses it.
 */
#ifndef FR_REDIS_CONNECTION_STATE_H
#define FR_REDIS_CONNECTION_STATE_H

#include <event2/bufferevent.h>
#include <netdb.h>

#include "redis/connection.h"
#include "redis/requests.h"
#include "text_buffer.h"
#include "tls_client.h"

/* The requests of a login, in their order. Those that are not configured are omitted. */
enum login_step { LOGIN_AUTH, LOGIN_SELECT, LOGIN_PING, LOGIN_DONE };

struct connection {
    struct fr_sink *sink;
    const struct fr_host *host;
    const struct connection_events *events;
    void *ctx;
    char address[300];
    int64_t timeout_ms, database;
    struct bufferevent *socket; /* NULL: neither connected nor connecting */
    struct addrinfo *addresses, *next_address;
    struct redis_reader *reader;
    struct requests sent; /* without an answer */
    enum login_step step; /* whose answer is awaited; LOGIN_DONE: up */
    bool connected;       /* the socket is; with TLS, its handshake is complete */
    bool renew;           /* see connection_renew() */
    int64_t begun_ms;     /* monotonic: when connecting to this address began */
    int64_t answered_ms;  /* monotonic: the last answer */
    int64_t retry_ms;     /* pause before the next connection */
    struct event *reconnect, *tick;
};

/* Send one request of the connection itself, and clear the buffer. Defined in connection.c. False:
 * no memory. */
bool connection_send_own(struct connection *connection, struct fr_text_buffer *request);

#endif
