#include "zmq/publisher.h"

#include <errno.h>
#include <event2/event.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "clock_ms.h"
#include "zmq/curve.h"
#include "zmq/curve_keys.h"
#include "zmq/endpoint.h"

#define LINGER_MS 1000
#define HANDSHAKE_MS 5000
#define IDLE_S 60                /* TCP keepalive: a subscriber that has disappeared */
#define UNACKNOWLEDGED_MS 120000 /* TCP: unacknowledged data for so long ends the connection */
#define SEND_BUFFER (256 * 1024) /* bytes in the kernel for each connection */
#define INCOMING_MAX 1024        /* bytes of a message from a subscriber; CURVE's are up to 400 */
#define CLOSE_SLOWEST_MS 100     /* libzmq releases the messages of a closed connection meanwhile */
#define HWM_MAX 1000000
#define SUBSCRIBERS_MAX 10000

struct publisher {
    struct fr_sink *sink;
    const struct fr_host *host;
    publisher_changed_fn *changed;
    void *ctx;
    const char *endpoint;
    void *context, *socket;
    struct curve *curve;
    struct subscribers *subscribers;
    struct event *readable, *again;
    size_t max_subscribers, max_bytes;
    bool bound;
    int64_t closed_ms;    /* monotonic: when the slowest connection was closed last */
    atomic_size_t queued; /* bytes of messages that libzmq has not released */
};

/* ---- messages -------------------------------------------------------------------- */

/* A copy of a payload; libzmq shares it between the queues of all subscribers. */
struct payload {
    atomic_size_t *queued;
    size_t len;
    unsigned char bytes[];
};

/* A zmq_free_fn; libzmq's I/O thread or the sink's thread calls it. */
static void publisher_release(void *bytes, void *hint)
{
    struct payload *payload = hint;

    (void)bytes;
    atomic_fetch_sub_explicit(payload->queued, payload->len, memory_order_relaxed);
    free(payload);
}

static bool publisher_make_message(struct publisher *p, const void *bytes, size_t len,
                                   zmq_msg_t *message)
{
    struct payload *payload = malloc(sizeof *payload + len);

    if (payload == NULL)
        return false;
    *payload = (struct payload){.queued = &p->queued, .len = len};
    memcpy(payload->bytes, bytes, len);
    if (zmq_msg_init_data(message, payload->bytes, len, publisher_release, payload) != 0) {
        free(payload);
        return false;
    }
    atomic_fetch_add_explicit(&p->queued, len, memory_order_relaxed);
    return true;
}

static void publisher_set(struct publisher *p, int option, int value)
{
    zmq_setsockopt(p->socket, option, &value, sizeof value);
}

/* Send both frames. With XPUB_NODROP, the first one is refused if the queue of a subscriber of the topic
 * is full; the second one is never refused. */
static enum publish_result publisher_send_frames(struct publisher *p, const char *topic,
                                                 zmq_msg_t *message)
{
    if (zmq_send(p->socket, topic, strlen(topic), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return errno == EAGAIN ? PUBLISH_FULL : PUBLISH_NO_MEMORY;
    return zmq_msg_send(message, p->socket, ZMQ_DONTWAIT) >= 0 ? PUBLISH_SENT : PUBLISH_NO_MEMORY;
}

/* Whether queue_bytes is reached. Then the connection with the most unsent data is closed. */
static bool publisher_exceeds_bytes(struct publisher *p, size_t queued)
{
    int64_t now;

    if (queued <= p->max_bytes)
        return false;
    now = fr_clock_monotonic_ms();
    if (now - p->closed_ms >= CLOSE_SLOWEST_MS) {
        p->closed_ms = now;
        subscribers_close_slowest(p->subscribers);
    }
    return true;
}

enum publish_result publisher_send(struct publisher *p, const char *topic, const void *bytes,
                                   size_t len, bool drop)
{
    size_t queued = atomic_load_explicit(&p->queued, memory_order_relaxed);
    enum publish_result result;
    zmq_msg_t message;

    if (publisher_exceeds_bytes(p, queued + len)) {
        if (!drop)
            return PUBLISH_FULL;
        /* Twice the limit: the other subscribers lose it too, so that memory has a bound. One message is
         * always allowed. */
        if (queued != 0 && queued + len > 2 * p->max_bytes)
            return PUBLISH_LOST;
    }
    if (!publisher_make_message(p, bytes, len, &message))
        return PUBLISH_NO_MEMORY;
    if (drop)
        publisher_set(p, ZMQ_XPUB_NODROP, 0);
    result = publisher_send_frames(p, topic, &message);
    if (drop)
        publisher_set(p, ZMQ_XPUB_NODROP, 1);
    zmq_msg_close(&message); /* empty if it was sent */
    return result;
}

/* ---- subscribers ----------------------------------------------------------------- */

void publisher_read(struct publisher *p)
{
    struct subscribers_counts before = *subscribers_counts(p->subscribers);
    const struct subscribers_counts *after = subscribers_counts(p->subscribers);

    if (subscribers_read(p->subscribers))
        event_active(p->again, EV_TIMEOUT, 1); /* after the other events of the thread */
    if (before.connections != after->connections || before.subscribed != after->subscribed ||
        before.closed != after->closed)
        p->changed(p->ctx);
}

static void publisher_event(void *ctx)
{
    publisher_read(ctx);
}

static void publisher_readable(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    publisher_read(ctx);
}

const struct subscribers_counts *publisher_counts(const struct publisher *p)
{
    return subscribers_counts(p->subscribers);
}

/* ---- listening ------------------------------------------------------------------- */

bool publisher_is_bound(const struct publisher *p)
{
    return p->bound;
}

bool publisher_is_full(const struct publisher *p)
{
    return subscribers_counts(p->subscribers)->connections >= p->max_subscribers;
}

int publisher_listen(struct publisher *p)
{
    if (p->bound)
        return 0;
    if (zmq_bind(p->socket, p->endpoint) != 0)
        return errno;
    p->bound = true;
    return 0;
}

/* ---- creation -------------------------------------------------------------------- */

static void publisher_limit(struct publisher *p)
{
    publisher_set(p, ZMQ_XPUB_VERBOSER, 1); /* every subscription of each connection is reported */
    publisher_set(p, ZMQ_XPUB_NODROP, 1);
    publisher_set(p, ZMQ_SNDHWM, (int)p->host->number(p->sink, "send_hwm"));
    /* libzmq reads all subscriptions that have arrived in one call: with a longer queue a flood of them
     * could occupy the sink's thread. */
    publisher_set(p, ZMQ_RCVHWM, 1);
    publisher_set(p, ZMQ_SNDBUF, SEND_BUFFER);
    publisher_set(p, ZMQ_LINGER, LINGER_MS);
    publisher_set(p, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    publisher_set(p, ZMQ_TCP_KEEPALIVE, 1);
    publisher_set(p, ZMQ_TCP_KEEPALIVE_IDLE, IDLE_S);
    publisher_set(p, ZMQ_TCP_KEEPALIVE_INTVL, IDLE_S / 4);
    publisher_set(p, ZMQ_TCP_KEEPALIVE_CNT, 4);
    publisher_set(p, ZMQ_TCP_MAXRT, UNACKNOWLEDGED_MS);
    publisher_set(p, ZMQ_IPV6, endpoint_is_ipv6(p->endpoint));
    zmq_setsockopt(p->socket, ZMQ_MAXMSGSIZE, &(int64_t){INCOMING_MAX}, sizeof(int64_t));
}

/* Read the keys. False: an error line was logged. */
static bool publisher_use_curve(struct publisher *p)
{
    const char *path = p->host->text(p->sink, "curve_secret_key");
    const char *clients = p->host->text(p->sink, "curve_clients");
    char key[CURVE_KEY_SIZE], why[512];
    bool usable;

    if (path == NULL)
        return true;
    if (!curve_read_secret(path, key, why, sizeof why)) {
        p->host->log(p->sink, FR_LOG_ERROR, "%s", why);
        return false;
    }
    publisher_set(p, ZMQ_CURVE_SERVER, 1);
    usable = zmq_setsockopt(p->socket, ZMQ_CURVE_SECRETKEY, key, sizeof key) == 0;
    explicit_bzero(key, sizeof key);
    if (!usable)
        p->host->log(p->sink, FR_LOG_ERROR, "curve_secret_key: libzmq refuses the key: %s",
                     zmq_strerror(errno));
    if (!usable || clients == NULL)
        return usable;
    zmq_setsockopt(p->socket, ZMQ_ZAP_DOMAIN, "fleetroute", strlen("fleetroute"));
    p->curve = curve_new(p->sink, p->host, p->context, clients);
    return p->curve != NULL;
}

static bool publisher_open(struct publisher *p)
{
    int fd = -1;

    p->context = zmq_ctx_new();
    p->socket = p->context != NULL ? zmq_socket(p->context, ZMQ_XPUB) : NULL;
    if (p->socket == NULL) {
        p->host->log(p->sink, FR_LOG_ERROR, "libzmq: %s", zmq_strerror(errno));
        return false;
    }
    publisher_limit(p);
    if (!publisher_use_curve(p))
        return false;
    p->subscribers =
        subscribers_new(p->sink, p->host, p->context, p->socket, endpoint_port(p->endpoint),
                        p->max_subscribers, publisher_event, p);
    if (p->subscribers != NULL &&
        zmq_getsockopt(p->socket, ZMQ_FD, &fd, &(size_t){sizeof fd}) == 0) {
        p->readable = event_new(p->host->event_base(p->sink), fd, EV_READ | EV_PERSIST,
                                publisher_readable, p);
        p->again = event_new(p->host->event_base(p->sink), -1, 0, publisher_readable, p);
    }
    if (p->readable != NULL && p->again != NULL && event_add(p->readable, NULL) == 0)
        return true;
    p->host->log(p->sink, FR_LOG_ERROR, "libzmq's socket cannot be watched: %s",
                 zmq_strerror(errno));
    return false;
}

struct publisher *publisher_new(struct fr_sink *sink, const struct fr_host *host,
                                publisher_changed_fn *changed, void *ctx)
{
    struct publisher *p = calloc(1, sizeof *p);

    if (p == NULL)
        return NULL;
    p->sink = sink;
    p->host = host;
    p->changed = changed;
    p->ctx = ctx;
    p->endpoint = host->text(sink, "bind");
    p->max_subscribers = (size_t)host->number(sink, "max_subscribers");
    p->max_bytes = (size_t)host->number(sink, "queue_bytes");
    if (publisher_open(p))
        return p;
    publisher_free(p);
    return NULL;
}

void publisher_free(struct publisher *p)
{
    if (p == NULL)
        return;
    if (p->readable != NULL)
        event_free(p->readable);
    if (p->again != NULL)
        event_free(p->again);
    subscribers_free(p->subscribers);
    curve_free(p->curve);
    if (p->socket != NULL)
        zmq_close(p->socket);
    if (p->context != NULL)
        zmq_ctx_term(p->context);
    free(p);
}

/* ---- check ----------------------------------------------------------------------- */

static void publisher_check_number(struct fr_sink *sink, const struct fr_host *host,
                                   const char *option, int64_t max)
{
    int64_t number = host->number(sink, option);

    if (number < 1 || number > max)
        host->config_error(sink, option, NULL, "%s must be between 1 and %lld", option,
                           (long long)max);
}

void publisher_check(struct fr_sink *sink, const struct fr_host *host)
{
    const char *mistake = endpoint_mistake(host->text(sink, "bind"));

    if (mistake != NULL)
        host->config_error(sink, "bind", NULL, "%s", mistake);
    publisher_check_number(sink, host, "send_hwm", HWM_MAX);
    publisher_check_number(sink, host, "max_subscribers", SUBSCRIBERS_MAX);
    if (host->number(sink, "queue_bytes") < 1024 * 1024)
        host->config_error(sink, "queue_bytes", NULL, "queue_bytes must be at least 1 MiB");
    if (host->text(sink, "curve_clients") != NULL && host->text(sink, "curve_secret_key") == NULL)
        host->config_error(sink, "curve_clients", NULL, "curve_clients needs curve_secret_key");
}
