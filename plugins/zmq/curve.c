#include "zmq/curve.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "zmq/curve_keys.h"

#define ZAP_FRAMES 7            /* of a request with the mechanism CURVE; more are ignored */
#define ZAP_FRAME_MAX 256       /* bytes; a longer frame is refused */
#define CURVE_PUBLIC_KEY_LEN 32 /* bytes of a public key that is not encoded */

struct curve {
    struct fr_sink *sink;
    const struct fr_host *host;
    const char *path; /* of the file with the clients' keys */
    void *socket;     /* ZMQ_REP: libzmq's requests */
    struct event *readable;
};

static bool curve_is_listed(const struct curve *curve, const char *key)
{
    enum curve_listed listed = curve_file_lists(curve->path, key);

    if (listed == CURVE_UNREADABLE)
        curve->host->log(curve->sink, FR_LOG_ERROR,
                         "curve_clients %s: %s; no client is admitted (it must be a file of at "
                         "most 1 MiB that the daemon's user can read)",
                         curve->path, strerror(errno));
    return listed == CURVE_LISTED;
}

/* ---- ZAP ------------------------------------------------------------------------- */

struct zap_frame {
    char bytes[ZAP_FRAME_MAX];
    size_t len; /* may be more than ZAP_FRAME_MAX: then the frame was truncated */
};

/* Receive a request of libzmq. Returns the number of its frames; 0: there is none. */
static size_t curve_receive(struct curve *curve, struct zap_frame frames[ZAP_FRAMES])
{
    struct zap_frame rest;
    size_t count = 0;
    int more = 1;

    while (more) {
        struct zap_frame *frame = count < ZAP_FRAMES ? &frames[count] : &rest;
        int len = zmq_recv(curve->socket, frame->bytes, sizeof frame->bytes, ZMQ_DONTWAIT);

        if (len < 0)
            return 0;
        frame->len = (size_t)len;
        count++;
        zmq_getsockopt(curve->socket, ZMQ_RCVMORE, &more, &(size_t){sizeof more});
    }
    return count;
}

static void curve_answer(struct curve *curve, const struct zap_frame *id, bool admitted)
{
    const char *code = admitted ? "200" : "400";
    const char *text = admitted ? "OK" : "this key is not listed";

    zmq_send(curve->socket, "1.0", 3, ZMQ_SNDMORE);
    zmq_send(curve->socket, id->bytes, id->len <= ZAP_FRAME_MAX ? id->len : 0, ZMQ_SNDMORE);
    zmq_send(curve->socket, code, strlen(code), ZMQ_SNDMORE);
    zmq_send(curve->socket, text, strlen(text), ZMQ_SNDMORE);
    zmq_send(curve->socket, "", 0, ZMQ_SNDMORE); /* user id */
    zmq_send(curve->socket, "", 0, 0);           /* metadata */
}

/* The frames are: version, request id, domain, address, identity, mechanism, key. */
static void curve_decide(struct curve *curve, const struct zap_frame frames[ZAP_FRAMES],
                         size_t count)
{
    const struct zap_frame *address = &frames[3], *key = &frames[6];
    char text[CURVE_KEY_SIZE];
    bool admitted = false;

    if (count == ZAP_FRAMES && key->len == CURVE_PUBLIC_KEY_LEN &&
        zmq_z85_encode(text, (const uint8_t *)key->bytes, CURVE_PUBLIC_KEY_LEN) != NULL) {
        admitted = curve_is_listed(curve, text);
        if (!admitted)
            curve->host->log(curve->sink, FR_LOG_WARNING,
                             "refused a client at %.*s: its public key %s is not in %s",
                             address->len < 64 ? (int)address->len : 64, address->bytes, text,
                             curve->path);
    }
    curve_answer(curve, &frames[1], admitted);
}

static void curve_readable(evutil_socket_t fd, short what, void *ctx)
{
    struct curve *curve = ctx;
    struct zap_frame frames[ZAP_FRAMES];
    size_t count;

    (void)fd, (void)what;
    while ((count = curve_receive(curve, frames)) != 0)
        curve_decide(curve, frames, count);
}

struct curve *curve_new(struct fr_sink *sink, const struct fr_host *host, void *context,
                        const char *path)
{
    struct curve *curve = calloc(1, sizeof *curve);
    int fd = -1;

    if (curve == NULL)
        return NULL;
    *curve = (struct curve){.sink = sink, .host = host, .path = path};
    curve->socket = zmq_socket(context, ZMQ_REP);
    if (curve->socket != NULL && zmq_bind(curve->socket, "inproc://zeromq.zap.01") == 0 &&
        zmq_getsockopt(curve->socket, ZMQ_FD, &fd, &(size_t){sizeof fd}) == 0)
        curve->readable =
            event_new(host->event_base(sink), fd, EV_READ | EV_PERSIST, curve_readable, curve);
    if (curve->readable != NULL && event_add(curve->readable, NULL) == 0)
        return curve;
    curve_free(curve);
    return NULL;
}

void curve_free(struct curve *curve)
{
    if (curve == NULL)
        return;
    if (curve->readable != NULL)
        event_free(curve->readable);
    if (curve->socket != NULL) {
        zmq_setsockopt(curve->socket, ZMQ_LINGER, &(int){0}, sizeof(int));
        zmq_close(curve->socket);
    }
    free(curve);
}
