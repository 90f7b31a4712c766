/*
 * http_clients.h - the list of connections of the admin listener, and the choice of the connection
 * to close for a new one.
 *
 * evhttp owns the connections and does not report their end. So a connection is identified by its
 * descriptor and inode. All functions run in the thread of the event loop.
 */
#ifndef FR_HTTP_CLIENTS_H
#define FR_HTTP_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Maximum numbers of connections: in all, of all other machines together, and of one source
 * address. FR_HTTP_CLIENTS_MAX - FR_HTTP_CLIENTS_REMOTE_MAX connections are reserved for clients
 * on this machine. */
#define FR_HTTP_CLIENTS_MAX 128
#define FR_HTTP_CLIENTS_REMOTE_MAX 96
#define FR_HTTP_CLIENTS_SOURCE_MAX 24

/* Connections that may be added in one iteration of the event loop. */
#define FR_HTTP_CLIENTS_BURST 16

struct fr_http_client {
    int fd;          /* owned by evhttp */
    ino_t inode;     /* of the socket: differs once `fd` is closed or reused */
    uint64_t source; /* fr_address_source() of the peer's address */
    bool local;      /* the peer is on this machine */
};

struct fr_http_clients {
    struct fr_http_client list[FR_HTTP_CLIENTS_MAX + FR_HTTP_CLIENTS_BURST]; /* oldest first */
    size_t count;
};

/* Add an accepted connection and shut down the oldest connections beyond the maximum numbers.
 * evhttp then reads the end of the stream and frees them. */
void fr_http_clients_add(struct fr_http_clients *clients, int fd);

/* Remove a connection that stays open and is not counted here any more. */
void fr_http_clients_release(struct fr_http_clients *clients, int fd);

/* Shut down up to `count` of the oldest connections, to free their descriptors. */
void fr_http_clients_shed(struct fr_http_clients *clients, size_t count);

/* The index of the connection to close; -1: no maximum is exceeded. Requests are answered within
 * one iteration of the event loop, so every listed connection is idle or its client does not
 * read. */
int fr_http_clients_victim(const struct fr_http_clients *clients);

#endif
