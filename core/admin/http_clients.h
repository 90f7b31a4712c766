/*
 * http_clients.h - the connections of the admin listener, and which of them gives way to a new one.
 *
 * evhttp owns the connections and does not report their end, so they are known by descriptor and
 * inode. One thread: the event loop's.
 */
#ifndef FR_HTTP_CLIENTS_H
#define FR_HTTP_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Connections at once: in all, of other machines together, and of one source address. The
 * difference of the first two is kept for clients on this machine. */
#define FR_HTTP_CLIENTS_MAX 128
#define FR_HTTP_CLIENTS_REMOTE_MAX 96
#define FR_HTTP_CLIENTS_SOURCE_MAX 24

/* Connections that may be added in one pass of the event loop. */
#define FR_HTTP_CLIENTS_BURST 16

struct fr_http_client {
    int fd;
    ino_t inode;
    uint64_t source;
    bool local;
};

struct fr_http_clients {
    struct fr_http_client list[FR_HTTP_CLIENTS_MAX + FR_HTTP_CLIENTS_BURST]; /* oldest first */
    size_t count;
};

/* Add an accepted connection and shut down the oldest of those that are too many. evhttp, which
 * then reads the end of the stream, frees it. */
void fr_http_clients_add(struct fr_http_clients *clients, int fd);

/* Shut down up to `count` of the oldest connections, to have their descriptors. */
void fr_http_clients_shed(struct fr_http_clients *clients, size_t count);

/* Which connection of the list has to give way; -1: none. Every connection in the list is idle
 * when this is called, or its client does not read: requests are answered in one go. */
int fr_http_clients_victim(const struct fr_http_clients *clients);

#endif
