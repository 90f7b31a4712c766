/*
 * The socket of a sink: libzmq's context, its bound XPUB socket with all limits, and the messages that
 * libzmq has queued. Everything runs on the sink's thread, except the function that libzmq's I/O
 * thread calls to release a message.
 */
#ifndef FR_ZMQ_PUBLISHER_H
#define FR_ZMQ_PUBLISHER_H

#include <stdbool.h>
#include <stddef.h>

#include "fleetroute/plugin.h"
#include "zmq/subscribers.h"

/* Options that this file reads, for the plugin's table. */
#define PUBLISHER_OPTIONS                                                                          \
    {"bind",                                                                                       \
     FR_OPTION_TEXT,                                                                               \
     "tcp://127.0.0.1:5284",                                                                       \
     false,                                                                                        \
     NULL,                                                                                         \
     "address and port on which subscribers are accepted; * is every address"},                    \
        {"send_hwm", FR_OPTION_INTEGER,                                                            \
         "1000",     false,                                                                        \
         NULL,       "messages that wait for one subscriber at most"},                             \
        {"queue_bytes",                                                                            \
         FR_OPTION_SIZE,                                                                           \
         "64 MiB",                                                                                 \
         false,                                                                                    \
         NULL,                                                                                     \
         "of all messages that wait for subscribers; beyond it the slowest one is disconnected"},  \
        {"max_subscribers", FR_OPTION_INTEGER, "64", false, NULL, "connections at a time"},        \
        {"curve_secret_key",                                                                       \
         FR_OPTION_TEXT,                                                                           \
         NULL,                                                                                     \
         false,                                                                                    \
         NULL,                                                                                     \
         "file with the server's secret key: encrypts and authenticates with CURVE"},              \
    {                                                                                              \
        "curve_clients", FR_OPTION_TEXT, NULL, false, NULL,                                        \
            "file with the public keys of the clients that are admitted, one a line"               \
    }

/* Report mistakes in these options with host->config_error(). */
void publisher_check(struct fr_sink *sink, const struct fr_host *host);

struct publisher;

/* Called when subscribers came or went, or sent something. */
typedef void publisher_changed_fn(void *ctx);

/* Make the context and the socket, not yet bound. NULL: an error line was logged. */
struct publisher *publisher_new(struct fr_sink *sink, const struct fr_host *host,
                                publisher_changed_fn *changed, void *ctx);

/* Close the socket. Waits at most 1 s for messages that subscribers have not yet taken. NULL is
 * allowed. */
void publisher_free(struct publisher *publisher);

/* Bind the socket unless it is bound. To be called once a second, and first after publisher_new().
 * Returns 0, or the errno value of zmq_bind(3). */
int publisher_listen(struct publisher *publisher);

bool publisher_is_bound(const struct publisher *publisher);

/* Whether there are `max_subscribers` connections: a new one is closed at once. */
bool publisher_is_full(const struct publisher *publisher);

/* Process what subscribers have sent. To be called after messages were sent. */
void publisher_read(struct publisher *publisher);

/* Valid as long as the publisher, and changed by publisher_read(). */
const struct subscribers_counts *publisher_counts(const struct publisher *publisher);

enum publish_result {
    PUBLISH_SENT, /* queued for every subscriber of the topic that has capacity */
    PUBLISH_FULL, /* not sent: the queue of a subscriber is full, or queue_bytes is reached */
    PUBLISH_LOST, /* not sent to any subscriber: queue_bytes is reached by far */
    PUBLISH_NO_MEMORY,
};

/* Send a message of two frames; the bytes are copied. With `drop`, a subscriber whose queue is full does
 * not get it, and the result is not PUBLISH_FULL. */
enum publish_result publisher_send(struct publisher *publisher, const char *topic,
                                   const void *bytes, size_t len, bool drop);

#endif
