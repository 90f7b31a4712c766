#include "teslamate/listener.h"

#include <errno.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 128

struct listener {
    struct event_base *base;
    const char *address;
    struct tls_server *tls;
    struct clients *clients;
    struct evconnlistener *socket; /* NULL: not bound */
    bool paused;                   /* accept(2) failed: no descriptors */
    int error;                     /* errno of that; 0: none */
};

/* ---- the address ----------------------------------------------------------------- */

/* Read an address. False: it is not numeric, or has no port. */
static bool listener_parse(const char *address, struct sockaddr_storage *to, int *len)
{
    uint16_t port;

    *len = sizeof *to;
    memset(to, 0, sizeof *to);
    if (evutil_parse_sockaddr_port(address, (struct sockaddr *)to, len) != 0)
        return false;
    port = to->ss_family == AF_INET ? ((struct sockaddr_in *)to)->sin_port
                                    : ((struct sockaddr_in6 *)to)->sin6_port;
    return port != 0;
}

const char *listener_mistake(const char *address)
{
    struct sockaddr_storage to;
    int len;

    return listener_parse(address, &to, &len)
               ? NULL
               : "listen must be a numeric address and a port, such as 127.0.0.1:8185 or [::]:8185";
}

bool listener_is_loopback(const char *address)
{
    struct sockaddr_storage to;
    int len;

    if (!listener_parse(address, &to, &len))
        return false;
    if (to.ss_family == AF_INET)
        return ntohl(((struct sockaddr_in *)&to)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)&to)->sin6_addr);
}

static const char *listener_remedy(int code)
{
    switch (code) {
    case EADDRINUSE:
        return "another program uses the port: change `listen:`, or stop it";
    case EADDRNOTAVAIL:
        return "this machine does not have the address: change `listen:`";
    case EACCES:
        return "use a port from 1024 on";
    case EMFILE:
    case ENFILE:
        return "raise LimitNOFILE of the service";
    default:
        return "change `listen:`";
    }
}

/* ---- connections ----------------------------------------------------------------- */

static void listener_accept(struct evconnlistener *socket, evutil_socket_t fd,
                            struct sockaddr *address, int len, void *ctx)
{
    struct listener *listener = ctx;
    struct sockaddr_storage peer = {0};
    struct bufferevent *bev = NULL;

    (void)socket;
    memcpy(&peer, address, (size_t)len < sizeof peer ? (size_t)len : sizeof peer);
    if (clients_is_full(listener->clients, &peer))
        clients_counts(listener->clients)->refused++;
    else {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, sizeof(int));
        bev = listener->tls != NULL
                  ? tls_server_accept(listener->tls, listener->base, fd)
                  : bufferevent_socket_new(listener->base, fd,
                                           BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    }
    if (bev == NULL)
        close(fd);
    else
        clients_add(listener->clients, bev, &peer);
}

/* Without a descriptor the connection stays in the kernel's queue, and accept(2) would fail again and
 * again. */
static void listener_failed(struct evconnlistener *socket, void *ctx)
{
    struct listener *listener = ctx;

    listener->error = EVUTIL_SOCKET_ERROR();
    listener->paused = true;
    evconnlistener_disable(socket);
}

/* ---- the socket ------------------------------------------------------------------ */

struct listener *listener_new(struct event_base *base, const char *address, struct tls_server *tls,
                              struct clients *clients)
{
    struct listener *listener = calloc(1, sizeof *listener);

    if (listener == NULL)
        return NULL;
    listener->base = base;
    listener->address = address;
    listener->tls = tls;
    listener->clients = clients;
    return listener;
}

void listener_free(struct listener *listener)
{
    if (listener == NULL)
        return;
    if (listener->socket != NULL)
        evconnlistener_free(listener->socket);
    free(listener);
}

static void listener_bind(struct listener *listener)
{
    struct sockaddr_storage to;
    int len;

    if (!listener_parse(listener->address, &to, &len))
        return;
    errno = 0;
    listener->socket =
        evconnlistener_new_bind(listener->base, listener_accept, listener,
                                LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
                                BACKLOG, (struct sockaddr *)&to, len);
    listener->error = listener->socket == NULL ? errno : 0;
    if (listener->socket != NULL)
        evconnlistener_set_error_cb(listener->socket, listener_failed);
}

bool listener_listen(struct listener *listener, char *why, size_t why_size)
{
    if (listener->socket == NULL)
        listener_bind(listener);
    if (listener->socket == NULL) {
        snprintf(why, why_size, "cannot listen on %s: %s (%s)", listener->address,
                 strerror(listener->error), listener_remedy(listener->error));
        return false;
    }
    if (!listener->paused)
        return true;
    snprintf(why, why_size, "cannot accept connections on %s: %s (%s)", listener->address,
             strerror(listener->error), listener_remedy(listener->error));
    listener->paused = false;
    evconnlistener_enable(listener->socket);
    return false;
}
