/*
 * peer.h - where Home Assistant is: its URL taken apart, its addresses, and sockets to it, with
 * TLS where the URL says https.
 */
#ifndef FR_PEER_H
#define FR_PEER_H

#include <event2/bufferevent.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

struct peer {
    char host[256];
    char port[8];
    char prefix[128]; /* before /api; "" for most */
    bool tls;
    SSL_CTX *context;
};

/* Take a URL apart: http://host:8123, https://host/prefix. -1 and why. */
int peer_parse(struct peer *peer, const char *url, char *why, size_t why_size);

/* Make ready for TLS; `ca`: who signed the certificate, NULL: the system's CAs. -1 and why. */
int peer_prepare(struct peer *peer, const char *ca, char *why, size_t why_size);
void peer_end(struct peer *peer);

/* Addresses of the peer, by the system's resolver (which knows .local, if the system does); it
 * may block for some seconds. Free them with freeaddrinfo(). NULL and why. */
struct addrinfo *peer_resolve(const struct peer *peer, char *why, size_t why_size);

/* A bufferevent without a connection, which verifies the peer's certificate and name. NULL: no
 * memory. */
struct bufferevent *peer_socket(const struct peer *peer, struct event_base *base);

/* Why a bufferevent has ended, for people. Holds until the next call. */
const char *peer_trouble(struct bufferevent *socket, short what);

#endif
