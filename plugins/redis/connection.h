/*
 * The connection to a Redis server on the sink's event base: TCP or a unix socket, TLS, login,
 * pipelined requests, and the time-out of each request.
 *
 * A lost connection is made again after a pause of 0.5 to 4 seconds. A server that does not complete
 * the login, or does not answer a request, within `timeout` is disconnected. While nothing is sent, PING
 * checks the server every 4 seconds.
 *
 * All functions and callbacks run on the sink's thread.
 */
#ifndef FR_REDIS_CONNECTION_H
#define FR_REDIS_CONNECTION_H

#include "fleetroute/plugin.h"
#include "redis/redis_reply.h"

/* Callbacks to the creator. */
struct connection_events {
    void (*up)(void *ctx); /* logged in */
    void (*answered)(void *ctx, struct fr_delivery *delivery, const struct redis_reply *reply);
    /* All complete answers that were received have been reported. */
    void (*drained)(void *ctx);
    /* The connection ended, or could not be made. `why` is for people, with a remedy; NULL: it is
     * renewed by connection_renew(). Requests without an answer must be taken. */
    void (*lost)(void *ctx, const char *why);
};

struct connection;

/* Start connecting, with the sink's options. NULL: no memory. */
struct connection *connection_new(struct fr_sink *sink, const struct fr_host *host,
                                  const struct connection_events *events, void *ctx);

/* Close the connection. Requests without an answer are not reported. NULL is allowed. */
void connection_free(struct connection *connection);

bool connection_is_up(const struct connection *connection);

/* The number of requests without an answer, and whether another one may be sent: the bytes without
 * an answer are bounded. */
size_t connection_unanswered(const struct connection *connection);
bool connection_has_capacity(const struct connection *connection);

/* Send a request for a delivery. False: no memory; nothing was sent. */
bool connection_send(struct connection *connection, struct fr_delivery *delivery, const void *bytes,
                     size_t len);

/* Remove the oldest delivery without an answer; NULL: there is none. Only in the callback lost(). */
struct fr_delivery *connection_take(struct connection *connection);

/* End the connection as soon as all requests are answered, and make a new one: the name may lead to
 * another server. */
void connection_renew(struct connection *connection);

/* The address for people, such as "localhost:6379" or the path of the socket. */
const char *connection_address(const struct connection *connection);

/* Options of the connection, for the descriptor's list. */
#define CONNECTION_OPTIONS                                                                         \
    {"host", FR_OPTION_TEXT, "localhost", false, NULL, "host name or address of the server"},      \
        {"port", FR_OPTION_INTEGER, "6379", false, NULL, "the server's port"},                     \
        {"socket", FR_OPTION_TEXT, NULL,                                                           \
         false,    NULL,           "path of the server's unix socket, instead of host and port"},  \
        {"database", FR_OPTION_INTEGER, "0", false, NULL, "number of the database"},               \
        {"username", FR_OPTION_TEXT, NULL,                                                         \
         false,      NULL,           "user name; if not set, the server's default user"},          \
        {"password_file", FR_OPTION_TEXT, NULL,                                                    \
         false,           NULL,           "file whose first line is the password"},                \
        {"tls",   FR_OPTION_BOOLEAN,                                                               \
         "false", false,                                                                           \
         NULL,    "encrypt, and verify the server's certificate and name"},                        \
        {"ca",  FR_OPTION_TEXT, NULL,                                                              \
         false, NULL,           "CA of the server's certificate; if not set, the system's CAs"},   \
        {"certificate", FR_OPTION_TEXT, NULL,                                                      \
         false,         NULL,           "client certificate, if the server requires one"},         \
        {"key", FR_OPTION_TEXT, NULL, false, NULL, "key of the client certificate"},               \
    {                                                                                              \
        "timeout", FR_OPTION_DURATION, "5 s", false, NULL,                                         \
            "time within which the server answers each request"                                    \
    }

#endif
