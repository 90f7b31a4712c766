/*
 * The settings of the vehicles' side, in a header of their own because the public functions and the
 * internal structs of this folder both need them.
 */
#ifndef FR_INGEST_SETTINGS_H
#define FR_INGEST_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "route/dispatch.h"
#include "util/network.h"

/* Numbers of connections are maxima over all workers. */
struct fr_ingest_settings {
    const char *address;             /* numeric: "0.0.0.0", "::" */
    uint16_t port;                   /* 0: any free port */
    unsigned workers;                /* 0: one for each core */
    size_t connections;              /* open WebSockets */
    size_t half_open;                /* other connections */
    size_t half_open_per_source;     /* other connections of one source address; 0: no limit */
    size_t sockets;                  /* both together: the file descriptors available for them */
    size_t without_certificate;      /* clients without a certificate, after their handshake */
    const char *public_key;          /* PEM for these clients; NULL: none. Borrowed */
    size_t connections_per_source;   /* open WebSockets of one source address; 0: no limit */
    size_t connections_per_vin;      /* open WebSockets of one vehicle; 0: no limit */
    size_t unacknowledged;           /* records of one connection that wait for acknowledgement */
    size_t message_size;             /* longest message in bytes */
    int64_t handshake_timeout_ms;    /* from accept(2) to an open WebSocket */
    int64_t message_timeout_ms;      /* from the first byte of a message to its last */
    int64_t peer_timeout_ms;         /* without a byte, or a TCP acknowledgement, of the peer */
    int64_t presence_grace_ms;       /* without a connection until the vehicle expires */
    const char *front_end;           /* the name of this front-end; NULL: not one of several */
    int64_t front_end_lease_ms;      /* if front_end is set: its statements hold for this time */
    fr_dispatch_enqueue_fn *enqueue; /* access to the sinks of the routes */
    fr_dispatch_full_fn *full;
    /* Networks of the peers that send PROXY headers. Borrowed. */
    const struct fr_network *proxies;
    size_t proxy_count;
};

#endif
