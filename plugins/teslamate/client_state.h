/*
 * A connection and the list of connections, shared by client.c and clients.c. Everything runs on the
 * sink's thread.
 */
#ifndef FR_TESLAMATE_CLIENT_STATE_H
#define FR_TESLAMATE_CLIENT_STATE_H

#include <event2/bufferevent.h>
#include <event2/event.h>

#include "ingest/websocket.h"
#include "teslamate/client.h"

#define CLIENT_REQUEST_MS 10000 /* from the first byte or the connection to the end of a request */

enum phase { PHASE_REQUEST, PHASE_CONTENT, PHASE_WEBSOCKET, PHASE_ENDING, PHASE_DEAD };

struct client {
    struct client *next, **link;
    struct clients *clients;
    struct bufferevent *socket;
    uint64_t source; /* fr_address_source() */
    enum phase phase;
    bool authorised, idle, keep_alive, to_head, is_websocket;
    bool input_ended; /* the client sends nothing more, but may still read */
    int wrong_tokens, messages;
    int64_t deadline_ms;          /* monotonic; 0: none */
    int64_t stuck_ms;             /* bytes wait, and none was taken since; 0: none wait */
    uint64_t taken, taken_before; /* bytes that the socket took; at the last check */
    int64_t message_ms;           /* a message has been incomplete since; 0: it is not */
    size_t scanned;               /* bytes of the head without its end */
    char *head;                   /* of the present request; owned; request points into it */
    struct request request;
    struct fr_ws ws;
    struct client_own own;
};

struct clients {
    struct event_base *base;
    struct clients_limits limits;
    const struct clients_handlers *handlers;
    void *ctx;
    struct client *first;
    struct event *reaper;
    struct fr_ws_pool *pool;
    struct fr_buffer out; /* a frame that is being made */
    struct clients_counts counts;
};

/* Begin to read a client that has its socket. */
void client_start(struct client *client);

/* Stop the client at once, and increment `counter` (NULL: none). The reaper event frees the client. */
void client_kill(struct client *client, unsigned long long *counter);

/* Remove the client from its list and free it, after the handler `closed`. */
void client_free(struct client *client);

#endif
