/*
 * The connections of a publisher's socket (ZMQ_XPUB) and their subscriptions, from the socket's
 * monitor and from the subscription messages that it receives. Closes connections that exceed the
 * bounds: libzmq keeps any number of subscriptions of any length in memory. Everything runs on the
 * sink's thread.
 */
#ifndef FR_ZMQ_SUBSCRIBERS_H
#define FR_ZMQ_SUBSCRIBERS_H

#include <stdbool.h>
#include <stddef.h>

#include "fleetroute/plugin.h"

#define SUBSCRIPTIONS_MAX 64       /* of one connection */
#define SUBSCRIPTION_BYTES_MAX 256 /* of one subscription; no topic is longer */
#define SUBSCRIPTIONS_BYTES_MAX                                                                    \
    4096 /* of one connection; libzmq needs 36 bytes of memory for each */

struct subscribers;

/* Called when the monitor has an event: the owner calls subscribers_read(). */
typedef void subscribers_event_fn(void *ctx);

/* Watch `socket`, which is not yet bound. `port`: the TCP port that it will be bound to.
 * `max`: connections at a time; further ones are closed. NULL: no memory, or an error of libzmq. */
struct subscribers *subscribers_new(struct fr_sink *sink, const struct fr_host *host, void *context,
                                    void *socket, int port, size_t max, subscribers_event_fn *event,
                                    void *ctx);

/* Stop watching. Call it before the watched socket is closed. NULL is allowed. */
void subscribers_free(struct subscribers *subscribers);

/* Process the events and the subscriptions that have arrived, at most some thousand. True: there may be
 * more. To be called after each call that sends, because libzmq signals an arrival only once. */
bool subscribers_read(struct subscribers *subscribers);

/* Close the connection that has the most unsent data in the kernel. False: no connection has any. */
bool subscribers_close_slowest(struct subscribers *subscribers);

struct subscribers_counts {
    size_t connections;        /* TCP connections, also before the end of their handshake */
    size_t subscribed;         /* connections with a subscription */
    unsigned long long closed; /* connections closed because they exceeded a bound */
    unsigned long long failed; /* handshakes that failed: wrong key, no ZeroMQ peer */
    char closed_why[64];       /* the reason of the last one; "" if there is none */
};

/* Valid as long as the subscribers, and changed by subscribers_read(). */
const struct subscribers_counts *subscribers_counts(const struct subscribers *subscribers);

#endif
