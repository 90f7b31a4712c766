/*
 * The structs that the files of this folder share: ingest, worker and connection.
 *
 * Internal to core/ingest. A member without a note on threads belongs to the worker's thread.
 */
#ifndef FR_INGEST_STATE_H
#define FR_INGEST_STATE_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/certificate_id.h"
#include "ingest/gather.h"
#include "ingest/half_open.h"
#include "ingest/ingest_settings.h"
#include "ingest/presence.h"
#include "ingest/source_counts.h"
#include "ingest/tls_stream.h"
#include "ingest/websocket.h"
#include "ingest/ack_delays.h"
#include "record/acknowledge.h"
#include "record/presence_origin.h"
#include "route/dispatch.h"
#include "route/routes.h"
#include "util/address.h"
#include "util/buffer.h"

#define FR_WORKER_TICK_MS 500            /* interval of the checks for timeouts */
#define FR_WORKER_PAUSE_MS 1000          /* pause of accept(2) when no descriptor is free */
#define FR_WORKER_READ_SIZE (64 * 1024)  /* bytes of one recv(2) at most */
#define FR_WORKER_FIRST_RECORD 16384     /* bytes of a TLS record's content at most */
#define FR_WORKER_PLAIN_SIZE (17 * 1024) /* more than the plaintext of one TLS record, 16 kB */
/* A connection's source while only the address of a load balancer is known: the limits for each source do
 * not apply. No peer has it: it is of a multicast network. */
#define FR_SOURCE_NONE UINT64_MAX

/* The first two are before the end of the TLS handshake. */
/* Turns of a connection in the queue whose wait is not the peer's silence. A vehicle needs two to six;
 * a peer that sends single bytes needs more, and its deadline must not move with each of them. */
#define FR_HANDSHAKE_TURNS_MAX 16

enum fr_connection_state {
    FR_CONNECTION_PROXY_HEADER,        /* of a load balancer: the PROXY header is incomplete */
    FR_CONNECTION_HANDSHAKE,           /* TLS handshake */
    FR_CONNECTION_UPGRADE,             /* TLS is established, the HTTP request is incomplete */
    FR_CONNECTION_WITHOUT_CERTIFICATE, /* the same, of a client without a certificate */
    FR_CONNECTION_OPEN,                /* open WebSocket */
    FR_CONNECTION_CLOSING, /* the last reply is sent; waits for the peer's end of stream */
};

struct fr_connection {
    struct event event;
    struct fr_worker *worker;
    int fd;
    enum fr_connection_state state;
    bool reading;    /* the event includes EV_READ */
    bool writing;    /* the event includes EV_WRITE */
    bool dirty;      /* is in the worker's list of connections with replies to send */
    bool heard;      /* the peer has sent or taken bytes since the last tick */
    bool pinged;     /* a ping was sent since the peer was last heard */
    bool has_slot;   /* counts against limits.connections */
    bool has_place;  /* is in the worker's without_certificate; with neither, it is in half_open */
    bool key_served; /* got the public key; of a client without a certificate */
    bool proxied;    /* accepted from a load balancer in listen.proxy_protocol */
    bool queued;     /* is in the worker's queue of handshakes, and is not read */
    uint32_t slot;   /* index in the worker's slots, while has_slot */
    uint32_t generation;     /* distinguishes successive users of one slot */
    uint64_t source;         /* fr_address_source() of the vehicle's address, or FR_SOURCE_NONE */
    uint32_t dropped;        /* bytes read after the last reply to a client without a certificate */
    uint32_t unacknowledged; /* records that wait for the confirmation of sinks */
    int64_t deadline_ms;     /* monotonic time at which the state times out; 0: none */
    uint8_t turns;           /* in the queue of handshakes, up to FR_HANDSHAKE_TURNS_MAX */
    int64_t queued_ms;       /* monotonic time since when it is in the queue; while `queued` */
    int64_t
        waited_ms; /* time in the queue since it is half-open, which is not the peer's silence */
    int64_t opened_ms;        /* monotonic time at which the WebSocket was open */
    int64_t message_since_ms; /* monotonic time since when a message is incomplete; 0: none is */
    int64_t silent_ms;        /* time since the last tick at which the peer was heard */
    struct fr_tls_stream tls;
    struct fr_ws ws;
    struct fr_buffer head;    /* the first TLS record, then the HTTP request, until complete */
    struct fr_buffer replies; /* plaintext to encrypt at the end of the pass */
    struct fr_buffer unsent;  /* ciphertext for which the socket had no capacity */
    struct fr_connection *next_dirty;
    struct fr_connection *previous_queued, *next_queued; /* while `queued` */
    struct fr_connection *previous, *next;               /* all connections of the worker */
    struct {
        char *sender;         /* "<type>.<id>" */
        const char *vin;      /* the id within sender */
        char *client_version; /* one allocation for this and the next two members */
        const char *connection_id;
        const char *network_interface;
        struct fr_certificate_id
            *certificate; /* for revocation lists; NULL before it is identified */
        char *refusal;    /* why the upgrade will be refused; NULL: it will not be */
    } identity;
    struct fr_presence_vehicle *vehicle; /* while the WebSocket is open */
    struct fr_presence_link link;        /* while the WebSocket is open */
    char peer[FR_ADDRESS_TEXT_SIZE]; /* address and port, for the log: the vehicle's, if known */
};

/* What a slot number and a generation refer to: one connection, also after it was freed. */
struct fr_connection_id {
    uint32_t slot, generation;
};

/* Work that other threads leave for a worker; see inbox.h. */
struct fr_inbox {
    pthread_mutex_t lock; /* protects the completed records and the evictions */
    struct fr_record *completed_first, *completed_last;
    struct fr_connection_id *evictions; /* connections to close */
    size_t eviction_count, eviction_capacity;
    int wake_fd;           /* eventfd */
    _Atomic bool signaled; /* wake_fd is written and the worker has not read it yet */
};

/* One part of a queue of handshakes, oldest first. */
struct fr_handshake_list {
    struct fr_connection *first, *last;
    size_t count;
};

/* See handshake_queue.h. */
struct fr_handshake_queue {
    struct fr_handshake_list begun, fresh;
    unsigned begun_in_a_row; /* taken from `begun` since the last one from `fresh` */
    int64_t longest_ms;      /* longest wait of a ClientHello that was read since the last tick */
    int64_t waiting_us;      /* the worker's CPU time since when the queue waits for its pass */
};

/* What a worker reports about its waiting handshakes at each tick, for admission.h. Any thread. */
struct fr_waiting_report {
    _Atomic size_t queued;        /* connections in the queue of handshakes */
    _Atomic size_t in_kernel;     /* connections that wait for accept(2) */
    _Atomic size_t in_kernel_max; /* the kernel's maximum of these; 0: unknown */
    _Atomic int64_t longest_ms;   /* the longest wait */
};

/* A time in which handshakes wait; see admission.h. Belongs to the thread of the first worker. */
struct fr_busy_period {
    bool busy;
    int64_t since_ms;   /* monotonic time of its begin */
    int64_t calm_ms;    /* monotonic time since when none waits; 0: some wait */
    int64_t paused_ms;  /* time by which the expiry of vehicles was delayed */
    size_t max_waiting; /* connections */
    int64_t longest_ms;
    int64_t ended_ms; /* monotonic time of the end of the last period; 0: none */
    size_t open;      /* open WebSockets at the last tick before the period */
    uint64_t left;    /* FR_COUNT_HANDSHAKE_LEFT then */
};

struct fr_worker {
    struct fr_completion completion; /* first: completed records find their worker by it */
    struct fr_ingest *ingest;
    pthread_t thread;
    bool started; /* thread is to be joined; the control thread's */
    int listener; /* listening socket */
    struct event_base *base;
    struct event *accept_event, *wake_event, *tick_event;
    struct event *handshake_event;      /* a pass that continues handshakes */
    struct event *pass_event;           /* active: the pass ends after the ready connections */
    event_callback_fn connection_ready; /* of each connection's event */
    struct fr_ingest_settings settings; /* the worker's own copy, like the next three */
    SSL_CTX *context;
    struct fr_routes *routes;
    struct fr_dispatch *dispatch;
    struct fr_ws_pool *ws_pool;

    struct fr_inbox inbox;
    _Atomic bool stop;                         /* end the event loop */
    _Atomic bool quiesce;                      /* accept and read nothing more */
    _Atomic(struct fr_ingest_update *) update; /* to be applied; NULL: none */

    struct fr_connection **slots; /* connections that count against limits.connections */
    size_t slot_count;
    uint32_t *free_slots; /* a stack */
    size_t free_count;
    uint32_t next_generation;
    struct fr_connection *connections; /* all, the newest first */
    struct fr_connection *dirty;       /* those with replies to send */
    unsigned handled;        /* connections that were ready since the end of the last pass */
    struct fr_gather gather; /* the waits between two passes */
    struct fr_half_open half_open;
    struct fr_half_open without_certificate; /* clients after their handshake */
    struct fr_handshake_queue handshakes;
    struct fr_waiting_report waiting;
    bool paused;             /* backpressure: no open WebSocket is read */
    bool accepting;          /* accept_event is added */
    int64_t tick_ms;         /* monotonic time of the last tick; 0: none yet */
    int64_t accept_after_ms; /* monotonic time until which accept(2) pauses; 0: no pause */
    int64_t search_after_ms; /* monotonic time of the next search for a connection to close */

    uint8_t *in;          /* ciphertext of one read, after that of a first TLS record */
    uint8_t *plain;       /* plaintext of one TLS record */
    struct fr_buffer out; /* ciphertext to write */
    struct fr_buffer scratch;
    struct fr_ack_delays delays;
};

/* New settings on their way to the workers; lives on the stack of fr_ingest_update(). */
struct fr_ingest_update {
    const struct fr_ingest_settings *settings;
    SSL_CTX *context;
    struct fr_routes *routes;
    sem_t applied; /* posted by each worker */
};

struct fr_ingest {
    struct fr_ingest_settings settings; /* those of the start */
    struct fr_presence *presence;
    struct fr_presence_origin origin; /* without sequence; front_end is "": not one of several */
    _Atomic uint64_t origin_sequence; /* of the last record with an origin */
    struct fr_source_counts *sources;
    SSL_CTX *context;
    struct fr_routes *routes;
    struct fr_worker *workers;
    unsigned worker_count;
    uint16_t port;
    _Atomic size_t connections;            /* open WebSockets */
    _Atomic size_t without_certificate;    /* clients without one, after their handshake */
    _Atomic size_t half_open;              /* all other connections */
    _Atomic int64_t out_of_descriptors_ms; /* monotonic time of the last occurrence; 0: never */
    struct fr_busy_period busy_period;
};

#endif
