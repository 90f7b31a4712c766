#include "zmq/subscribers.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include "zmq/topic_set.h"

#define MESSAGES_PER_PASS 2000
#define MONITOR_EVENTS                                                                             \
    (ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED |                              \
     ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |                  \
     ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

struct connection {
    bool open;
    bool closing; /* shutdown(2) was called */
    struct topic_set subscriptions;
};

struct subscribers {
    struct fr_sink *sink;
    const struct fr_host *host;
    void *socket;  /* the publisher's */
    void *monitor; /* ZMQ_PAIR: its events */
    struct event *readable;
    int port;
    size_t max; /* connections */
    subscribers_event_fn *event;
    void *ctx;
    struct connection *connections; /* by descriptor */
    size_t size;                    /* elements allocated */
    struct subscribers_counts counts;
};

/* ---- the table ------------------------------------------------------------------- */

/* The entry of a descriptor; NULL: no memory, or libzmq did not name a descriptor. */
static struct connection *subscribers_entry(struct subscribers *s, int fd)
{
    if (fd < 0)
        return NULL;
    if ((size_t)fd >= s->size) {
        size_t size = ((size_t)fd + 1) * 2;
        struct connection *more = realloc(s->connections, size * sizeof *more);

        if (more == NULL)
            return NULL;
        memset(more + s->size, 0, (size - s->size) * sizeof *more);
        s->connections = more;
        s->size = size;
    }
    return &s->connections[fd];
}

static void subscribers_disconnected(struct subscribers *s, int fd)
{
    struct connection *c = subscribers_entry(s, fd);

    if (c == NULL || !c->open)
        return;
    s->counts.connections--;
    s->counts.subscribed -= c->subscriptions.count != 0;
    topic_set_clear(&c->subscriptions);
    *c = (struct connection){0};
}

/* Whether a descriptor is a connection to our port. libzmq may have closed it since the last event, and
 * the daemon may use its number for another connection. */
static bool subscribers_is_ours(const struct subscribers *s, int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } name;
    socklen_t len = sizeof name;

    memset(&name, 0, sizeof name);
    if (getsockname(fd, &name.any, &len) != 0)
        return false;
    return ntohs(name.any.sa_family == AF_INET6 ? name.v6.sin6_port : name.v4.sin_port) == s->port;
}

static void subscribers_close(struct subscribers *s, int fd, const char *why)
{
    struct connection *c = subscribers_entry(s, fd);

    if (c == NULL || !c->open || c->closing || !subscribers_is_ours(s, fd))
        return;
    c->closing = true;
    shutdown(fd, SHUT_RDWR); /* libzmq closes the descriptor and frees the subscriptions */
    s->counts.closed++;
    snprintf(s->counts.closed_why, sizeof s->counts.closed_why, "%s", why);
    s->host->log(s->sink, FR_LOG_WARNING, "closed the connection of a subscriber: %s", why);
}

static void subscribers_opened(struct subscribers *s, int fd)
{
    struct connection *c = subscribers_entry(s, fd);

    if (c != NULL && !c->open) {
        *c = (struct connection){.open = true};
        s->counts.connections++;
        if (s->counts.connections > s->max)
            subscribers_close(s, fd, "there are max_subscribers connections");
    }
}

/* ---- events of the monitor ------------------------------------------------------- */

/* Receive one event: two frames, the first with a number of 16 and one of 32 bits. False: there is
 * none. */
static bool subscribers_read_event(struct subscribers *s)
{
    unsigned char frame[6];
    char endpoint[256];
    uint16_t event;
    int32_t fd;

    if (zmq_recv(s->monitor, frame, sizeof frame, ZMQ_DONTWAIT) < 0)
        return false;
    zmq_recv(s->monitor, endpoint, sizeof endpoint, ZMQ_DONTWAIT);
    memcpy(&event, frame, sizeof event);
    memcpy(&fd, frame + sizeof event, sizeof fd);
    switch (event) {
    case ZMQ_EVENT_ACCEPTED:
        subscribers_opened(s, fd);
        break;
    case ZMQ_EVENT_DISCONNECTED:
    case ZMQ_EVENT_CLOSED:
        subscribers_disconnected(s, fd);
        break;
    default:
        s->counts.failed++;
        break;
    }
    return true;
}

static void subscribers_monitor_readable(evutil_socket_t fd, short what, void *ctx)
{
    struct subscribers *s = ctx;

    (void)fd, (void)what;
    s->event(s->ctx);
}

/* ---- subscriptions --------------------------------------------------------------- */

/* As libzmq, which keeps a topic once for each connection. */
static void subscribers_subscribed(struct subscribers *s, int fd, const char *topic, size_t len)
{
    struct connection *c = subscribers_entry(s, fd);
    struct topic_set *set;

    if (c == NULL || !c->open || c->closing)
        return;
    set = &c->subscriptions;
    if (topic_set_contains(set, topic, len))
        return;
    if (len > SUBSCRIPTION_BYTES_MAX)
        subscribers_close(s, fd, "its subscription is longer than any topic");
    else if (set->bytes + len > SUBSCRIPTIONS_BYTES_MAX)
        subscribers_close(s, fd, "its subscriptions have more than 4096 bytes");
    else if (set->count == SUBSCRIPTIONS_MAX)
        subscribers_close(s, fd, "it has more than 64 subscriptions");
    else if (!topic_set_add(set, topic, len))
        subscribers_close(s, fd, "no memory for its subscription");
    else
        s->counts.subscribed += set->count == 1;
}

/* libzmq also passes on the end of a subscription that there is not. */
static void subscribers_unsubscribed(struct subscribers *s, int fd, const char *topic, size_t len)
{
    struct connection *c = subscribers_entry(s, fd);

    if (c != NULL && c->open && topic_set_remove(&c->subscriptions, topic, len))
        s->counts.subscribed -= c->subscriptions.count == 0;
}

/* Receive one message of a subscriber. False: there is none. */
static bool subscribers_read_message(struct subscribers *s)
{
    zmq_msg_t message;
    const char *bytes;
    size_t len;
    int fd;

    zmq_msg_init(&message);
    if (zmq_msg_recv(&message, s->socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&message);
        return false;
    }
    /* The connection was reported before its message arrived, and a disconnection that is reported
     * now makes the message stale. */
    while (subscribers_read_event(s))
        ;
    bytes = zmq_msg_data(&message);
    len = zmq_msg_size(&message);
    fd = zmq_msg_get(&message, ZMQ_SRCFD);
    if (len == 0 || (bytes[0] != 0 && bytes[0] != 1))
        subscribers_close(s, fd, "it sent a message that is no subscription");
    else if (bytes[0] == 1)
        subscribers_subscribed(s, fd, bytes + 1, len - 1);
    else
        subscribers_unsubscribed(s, fd, bytes + 1, len - 1);
    zmq_msg_close(&message);
    return true;
}

bool subscribers_read(struct subscribers *s)
{
    int n = 0;

    while (n < MESSAGES_PER_PASS && subscribers_read_event(s))
        n++;
    while (n < MESSAGES_PER_PASS && subscribers_read_message(s))
        n++;
    return n == MESSAGES_PER_PASS;
}

bool subscribers_close_slowest(struct subscribers *s)
{
    int slowest = -1, max_unsent = 0;

    while (subscribers_read_event(s))
        ;
    for (size_t fd = 0; fd < s->size; fd++) {
        int unsent = 0;

        if (s->connections[fd].open && !s->connections[fd].closing &&
            subscribers_is_ours(s, (int)fd) && ioctl((int)fd, SIOCOUTQ, &unsent) == 0 &&
            unsent > max_unsent) {
            max_unsent = unsent;
            slowest = (int)fd;
        }
    }
    if (slowest >= 0)
        subscribers_close(s, slowest, "the messages that wait for it exceed queue_bytes");
    return slowest >= 0;
}

/* ---- creation -------------------------------------------------------------------- */

const struct subscribers_counts *subscribers_counts(const struct subscribers *s)
{
    return &s->counts;
}

struct subscribers *subscribers_new(struct fr_sink *sink, const struct fr_host *host, void *context,
                                    void *socket, int port, size_t max, subscribers_event_fn *event,
                                    void *ctx)
{
    struct subscribers *s = calloc(1, sizeof *s);
    int fd = -1;

    if (s == NULL)
        return NULL;
    *s = (struct subscribers){.sink = sink,
                              .host = host,
                              .socket = socket,
                              .port = port,
                              .max = max,
                              .event = event,
                              .ctx = ctx};
    if (zmq_socket_monitor(socket, "inproc://monitor", MONITOR_EVENTS) == 0)
        s->monitor = zmq_socket(context, ZMQ_PAIR);
    if (s->monitor != NULL && zmq_connect(s->monitor, "inproc://monitor") == 0 &&
        zmq_getsockopt(s->monitor, ZMQ_FD, &fd, &(size_t){sizeof fd}) == 0)
        s->readable = event_new(host->event_base(sink), fd, EV_READ | EV_PERSIST,
                                subscribers_monitor_readable, s);
    if (s->readable != NULL && event_add(s->readable, NULL) == 0)
        return s;
    subscribers_free(s);
    return NULL;
}

void subscribers_free(struct subscribers *s)
{
    if (s == NULL)
        return;
    if (s->readable != NULL)
        event_free(s->readable);
    zmq_socket_monitor(s->socket, NULL, 0); /* stop: the I/O thread could wait for this reader */
    if (s->monitor != NULL) {
        zmq_setsockopt(s->monitor, ZMQ_LINGER, &(int){0}, sizeof(int));
        zmq_close(s->monitor);
    }
    for (size_t fd = 0; fd < s->size; fd++)
        topic_set_clear(&s->connections[fd].subscriptions);
    free(s->connections);
    free(s);
}
