/*
 * ingest.h - the vehicles' side: listening sockets, workers, connections.
 *
 * Each worker is a thread with its own event base and its own SO_REUSEPORT socket; a
 * connection lives and dies on one worker. Records go to the dispatch that each worker has.
 */
#ifndef FR_INGEST_H
#define FR_INGEST_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/presence.h"
#include "route/routes.h"
#include "util/error.h"

struct fr_ingest_settings {
    const char *address;           /* "0.0.0.0", "::" */
    uint16_t port;                 /* 0: any free one */
    unsigned workers;              /* 0: one a core */
    size_t connections;            /* open WebSockets at most, over all workers */
    size_t half_open;              /* other connections at most, over all workers */
    size_t half_open_per_source;   /* the same of one source address; 0: no limit */
    size_t sockets;                /* both together at most: the descriptors there are for them */
    size_t connections_per_source; /* open WebSockets of one source address at most; 0: no limit */
    size_t connections_per_vin;    /* open WebSockets of one vehicle at most; 0: no limit */
    size_t unacknowledged; /* records of one vehicle that wait for their acknowledgement, at most */
    size_t message_size;   /* longest message in bytes */
    int64_t handshake_timeout_ms; /* from accept to an open WebSocket */
    int64_t message_timeout_ms;   /* from a message's first byte to its last */
    int64_t dead_peer_ms;         /* a peer that answers nothing is given up after this */
    int64_t presence_grace_ms;    /* a vehicle without a connection is gone after this */
};

struct fr_ingest;

/* Bind the sockets, which may need a privilege that is given up afterwards. Nobody can connect
 * yet. NULL and why. */
struct fr_ingest *fr_ingest_bind(const struct fr_ingest_settings *settings, struct fr_error *error);

/* Listen and start the workers. The context is counted; the routes must outlive the ingest or be
 * replaced. -1 and why: it can only be freed. */
int fr_ingest_start(struct fr_ingest *ingest, SSL_CTX *context, struct fr_routes *routes,
                    struct fr_error *error);

/* Follow other settings (all but address, port and workers), another context for connections to
 * come, and other routes. Waits until every worker has let go of the old routes; no connection
 * is dropped but those of vehicles that are no longer let in. */
void fr_ingest_update(struct fr_ingest *ingest, const struct fr_ingest_settings *settings,
                      SSL_CTX *context, struct fr_routes *routes);

/* What held the vehicles back has room again. Any thread. */
void fr_ingest_room(struct fr_ingest *ingest);

/* The vehicle was there before a restart. */
void fr_ingest_expect(struct fr_ingest *ingest, const char *vin);

/* The vehicle last spoke before a restart, at a time of the wall clock. */
void fr_ingest_remember(struct fr_ingest *ingest, const char *vin, int64_t wall_ms);

/* Which vehicles are here; holds as long as the ingest. */
struct fr_presence *fr_ingest_presence(struct fr_ingest *ingest);

/* The port that vehicles can reach. */
uint16_t fr_ingest_port(const struct fr_ingest *ingest);

/* Open WebSockets now. */
size_t fr_ingest_connections(const struct fr_ingest *ingest);

/* Connections now that are no open WebSockets: TLS handshakes, upgrades, closing ones. */
size_t fr_ingest_half_open(const struct fr_ingest *ingest);

/* Whether new connections wait at this moment because no file descriptor is free for them. */
bool fr_ingest_out_of_descriptors(const struct fr_ingest *ingest);

/* Accept and read nothing more, but go on telling vehicles of what sinks confirm. */
void fr_ingest_quiesce(struct fr_ingest *ingest);

/* Close every connection (1001) and end the workers' threads. Sinks may still confirm. */
void fr_ingest_stop(struct fr_ingest *ingest);

/* Free it, when the sinks that hold its records are stopped. */
void fr_ingest_free(struct fr_ingest *ingest);

#endif
