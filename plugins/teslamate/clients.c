#include "teslamate/clients.h"

#include <event2/buffer.h>
#include <stdlib.h>

#include "teslamate/client_state.h"
#include "util/address.h"

#define STUCK_MS 60000   /* without a byte taken while bytes wait */
#define MESSAGE_MS 30000 /* from the first to the last byte of a message */

static void clients_reap(evutil_socket_t fd, short what, void *ctx)
{
    struct clients *clients = ctx;

    (void)fd, (void)what;
    for (struct client *client = clients->first, *next; client != NULL; client = next) {
        next = client->next;
        if (client->phase == PHASE_DEAD)
            client_free(client);
    }
}

struct clients *clients_new(struct event_base *base, const struct clients_limits *limits,
                            const struct clients_handlers *handlers, void *ctx)
{
    struct clients *clients = calloc(1, sizeof *clients);

    if (clients == NULL)
        return NULL;
    clients->base = base;
    clients->limits = *limits;
    clients->handlers = handlers;
    clients->ctx = ctx;
    clients->reaper = event_new(base, -1, 0, clients_reap, clients);
    clients->pool = fr_ws_pool_new();
    if (clients->reaper != NULL && clients->pool != NULL)
        return clients;
    clients_free(clients);
    return NULL;
}

void clients_free(struct clients *clients)
{
    if (clients == NULL)
        return;
    while (clients->first != NULL)
        client_free(clients->first);
    if (clients->reaper != NULL)
        event_free(clients->reaper);
    fr_ws_pool_free(clients->pool);
    fr_buffer_free(&clients->out);
    free(clients);
}

struct clients_counts *clients_counts(struct clients *clients)
{
    return &clients->counts;
}

bool clients_is_full(struct clients *clients, const struct sockaddr_storage *peer)
{
    uint64_t source = fr_address_source(peer);
    struct client *oldest = NULL;
    size_t of_source = 0;

    for (struct client *client = clients->first; client != NULL; client = client->next) {
        of_source += client->source == source && client->phase != PHASE_DEAD;
        if (!client->authorised && client->phase != PHASE_DEAD)
            oldest = client; /* new clients are put in front */
    }
    if (of_source >= clients->limits.max_per_address)
        return true;
    if (clients->counts.connections < clients->limits.max)
        return false;
    if (oldest == NULL)
        return true;
    clients->counts.late++;
    client_free(oldest);
    return false;
}

bool clients_add(struct clients *clients, struct bufferevent *socket,
                 const struct sockaddr_storage *peer)
{
    struct client *client = calloc(1, sizeof *client);

    if (client == NULL) {
        bufferevent_free(socket);
        return false;
    }
    client->clients = clients;
    client->socket = socket;
    client->source = fr_address_source(peer);
    client->next = clients->first;
    client->link = &clients->first;
    if (client->next != NULL)
        client->next->link = &client->next;
    clients->first = client;
    clients->counts.connections++;
    clients->counts.accepted++;
    client_start(client);
    return true;
}

void clients_end_streams(struct clients *clients)
{
    for (struct client *client = clients->first; client != NULL; client = client->next)
        if (client->authorised)
            client_end(client, FR_WS_POLICY);
}

/* Close a client that does not take what waits for it. */
static void clients_check_stuck(struct client *client, int64_t now_ms)
{
    size_t waiting = evbuffer_get_length(bufferevent_get_output(client->socket));

    if (waiting == 0)
        client->stuck_ms = 0;
    else if (client->stuck_ms == 0 || client->taken != client->taken_before)
        client->stuck_ms = now_ms;
    else if (now_ms - client->stuck_ms > STUCK_MS)
        client_kill(client, &client->clients->counts.slow);
    client->taken_before = client->taken;
}

void clients_check(struct clients *clients, int64_t now_ms)
{
    for (struct client *client = clients->first; client != NULL; client = client->next) {
        if (client->phase == PHASE_DEAD)
            continue;
        if ((client->deadline_ms != 0 && now_ms >= client->deadline_ms) ||
            (client->message_ms != 0 && now_ms - client->message_ms > MESSAGE_MS))
            client_kill(client, client->idle || client->phase == PHASE_ENDING
                                    ? NULL
                                    : &clients->counts.late);
        else
            clients_check_stuck(client, now_ms);
        if (client->phase == PHASE_WEBSOCKET)
            clients->handlers->tick(clients->ctx, client, now_ms);
    }
}
