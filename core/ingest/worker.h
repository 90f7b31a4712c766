/* worker.h - one ingest thread; for the files of this folder only. */
#ifndef FR_WORKER_H
#define FR_WORKER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "ingest/half_open.h"
#include "ingest/http_upgrade.h"
#include "ingest/identity.h"
#include "ingest/ingest.h"
#include "ingest/presence.h"
#include "ingest/source_counts.h"
#include "ingest/tls_stream.h"
#include "ingest/websocket.h"
#include "record/acknowledge.h"
#include "route/dispatch.h"
#include "util/buffer.h"

#define FR_WORKER_READ_SIZE (64 * 1024)
#define FR_WORKER_FIRST_RECORD 16384     /* bytes of a TLS record without its head */
#define FR_WORKER_PAUSE_MS 1000          /* without accepting, when no descriptor is free */
#define FR_WORKER_PLAIN_SIZE (17 * 1024) /* a TLS record holds 16 kB at most */

enum fr_connection_state {
    FR_CONNECTION_HANDSHAKE,
    FR_CONNECTION_UPGRADE,
    FR_CONNECTION_OPEN,
    FR_CONNECTION_CLOSING, /* our last words are sent; waiting for the peer to hang up */
};

struct fr_connection {
    struct event event;
    struct fr_worker *worker;
    int fd;
    enum fr_connection_state state;
    bool reading; /* the event is added */
    bool waits_to_write;
    bool dirty;    /* in the worker's list of those with replies to send */
    bool has_slot; /* it counts as a vehicle's; else it is in the worker's half_open */
    uint32_t slot;
    uint32_t generation;
    uint64_t source; /* fr_address_source of its address */
    uint32_t unacknowledged;
    int64_t deadline_ms;      /* of the state; 0: none */
    int64_t message_since_ms; /* when an incomplete message was first seen; 0: none */
    struct fr_tls_stream tls;
    struct fr_ws ws;
    struct fr_buffer head;    /* the first TLS record, then the HTTP request, until complete */
    struct fr_buffer replies; /* frames to encrypt at the end of the pass */
    struct fr_buffer unsent;  /* ciphertext that the socket did not take */
    struct fr_connection *next_dirty;
    struct fr_connection *previous, *next; /* all of the worker */
    struct {
        char *sender;         /* "<type>.<id>" */
        const char *vin;      /* the id in it */
        char *client_version; /* this and the next two are one allocation */
        const char *connection_id;
        const char *network_interface;
        char *refusal; /* why the upgrade will be refused; NULL: it will not */
    } who;
    struct fr_present *present;   /* while it is open */
    struct fr_presence_link link; /* likewise */
    char peer[56];                /* address, for the log */
};

/* A connection to close because its vehicle has too many. */
struct fr_worker_eviction {
    uint32_t slot, generation;
};

struct fr_worker {
    struct fr_ack_owner owner; /* first: settled records find the worker by it */
    struct fr_ingest *ingest;
    pthread_t thread;
    bool started;
    int listener;
    int wake; /* eventfd */
    struct event_base *base;
    struct event *accept_event, *wake_event, *tick_event;
    struct fr_ingest_settings settings; /* the worker's own copy, as the next two */
    SSL_CTX *context;
    struct fr_routes *routes;
    struct fr_dispatch *dispatch;
    struct fr_ws_pool *ws_pool;

    pthread_mutex_t lock; /* of the inbox */
    struct fr_record *settled_first, *settled_last;
    struct fr_worker_eviction *evictions; /* connections to close; the lock guards them too */
    size_t eviction_count, eviction_room;
    _Atomic bool woken;
    _Atomic bool stop;
    _Atomic bool quiesce;
    _Atomic(const struct fr_ingest_update *) update; /* to be followed; NULL: none */

    struct fr_connection **slots;
    size_t slot_count;
    uint32_t *free_slots;
    size_t free_count;
    uint32_t next_generation;
    struct fr_connection *connections;
    struct fr_connection *dirty;
    struct fr_half_open half_open;
    bool held; /* a sink is full: nothing is read from vehicles */
    bool accepting;
    int64_t accept_after_ms; /* accepting pauses until then; 0: it does not */
    unsigned ticks;

    uint8_t *in;          /* ciphertext of one read, and of a first record before it */
    uint8_t *plain;       /* plaintext of one TLS record */
    struct fr_buffer out; /* ciphertext to write */
    struct fr_buffer scratch;
};

struct fr_ingest_update {
    const struct fr_ingest_settings *settings;
    SSL_CTX *context;
    struct fr_routes *routes;
    sem_t followed; /* posted by each worker */
};

struct fr_ingest {
    struct fr_ingest_settings settings;
    struct fr_presence *presence;
    struct fr_source_counts *sources;
    SSL_CTX *context;
    struct fr_routes *routes;
    struct fr_worker *workers;
    unsigned worker_count;
    uint16_t port;
    _Atomic size_t connections;            /* open WebSockets */
    _Atomic int64_t out_of_descriptors_ms; /* when that was seen last; 0: never */
    _Atomic size_t half_open; /* connections that are not: handshakes, upgrades, closing ones */
};

/* listener.c: accept what waits; an event's callback, ctx is the worker. */
void fr_listener_ready(evutil_socket_t listener, short what, void *ctx);

/* Whether the worker's part of limits.half_open is used up. */
bool fr_listener_full(const struct fr_worker *worker);

/* Accept or pause, whichever the worker's state asks for. */
void fr_listener_update(struct fr_worker *worker);

/* connection.c: take over a socket that was accepted; closes it if that fails. */
void fr_connection_open(struct fr_worker *worker, int fd, const char *peer, uint64_t source);

/* Close it and free it, now. A DISCONNECTED record is made if it was open. */
void fr_connection_free(struct fr_connection *connection);

/* Send what is in `replies` as the last words, then wait for the peer to hang up. */
void fr_connection_end(struct fr_connection *connection);

/* Say why (a WebSocket close code), then close it when the peer has had time to read it. */
void fr_connection_close(struct fr_connection *connection, enum fr_ws_code code);

/* Put the connection on the list of those that have replies to send. */
void fr_connection_reply_later(struct fr_connection *connection);

/* Encrypt and send the replies. May close the connection. */
void fr_connection_send_replies(struct fr_connection *connection);

/* Read or stop reading, whichever the worker's and the connection's state ask for. */
void fr_connection_update_reading(struct fr_connection *connection);

/* Look for time-outs. */
void fr_connection_tick(struct fr_connection *connection, int64_t now_ms);

/* handshake.c: make the TLS object of a connection once the first TLS record is complete in `tls.in`.
 * 0: there is one; 1: bytes are missing; -1: the connection cannot go on. */
int fr_handshake_begin(struct fr_connection *connection);

/* Go on with the TLS handshake. 0: it is done; 1: bytes are missing; -1: the connection is closing. */
int fr_handshake_continue(struct fr_connection *connection);

/* Read bytes of the HTTP request. -1: the connection is closing; else how many of the bytes were
 * the request's. */
ssize_t fr_handshake_upgrade(struct fr_connection *connection, const uint8_t *bytes, size_t len);

/* message.c: one binary message of an open connection. Replies go to connection->replies. */
void fr_message_received(struct fr_connection *connection, const uint8_t *bytes, size_t len);

/* A message over the size limit was read over; the vehicle gets the error reply. */
void fr_message_oversized(struct fr_connection *connection);

/* Tell the vehicle that its record is settled: an ack, or an error reply when refused. */
void fr_message_settled(struct fr_connection *connection, const struct fr_record *record);

/* Make the connectivity record of an open connection, and the presence record if the vehicle
 * came with it. */
void fr_message_connectivity(struct fr_connection *connection, bool connected);

/* Make the presence records of vehicles whose grace is over. */
void fr_message_gone(struct fr_worker *worker, int64_t now_ms);

/* worker.c: close a connection of another worker's, soon. Any thread. */
void fr_worker_evict(struct fr_worker *worker, uint32_t slot, uint32_t generation);

/* Run what the message parser gave to the dispatch, and send what is dirty. */
void fr_worker_finish_pass(struct fr_worker *worker);

#endif
