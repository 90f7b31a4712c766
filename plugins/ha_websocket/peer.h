/*
 * The address of Home Assistant: its parsed URL, name resolution, and sockets to it, with TLS for
 * https.
 *
 * A peer is constant after peer_init_tls(); sockets are made on the sink's thread.
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
    char prefix[128]; /* of the path, before /api; usually "" */
    bool tls;
    SSL_CTX *context; /* owned; NULL without TLS */
};

/* Parse a URL such as http://host:8123 or https://host/prefix. Returns 0, or -1 with a message in
 * `why`. */
int peer_parse(struct peer *peer, const char *url, char *why, size_t why_size);

/* Prepare TLS if the URL requires it. `ca` is a PEM file with the trusted CAs; NULL: those of the
 * system. Returns 0, or -1 with a message in `why`. */
int peer_init_tls(struct peer *peer, const char *ca, char *why, size_t why_size);

/* Free what peer_init_tls() made. A zeroed peer is allowed. */
void peer_clear(struct peer *peer);

/* Resolve the addresses of the peer with the system's resolver, which may block for some seconds.
 * The caller frees the result with freeaddrinfo(). Returns NULL with a message in `why` on failure.
 */
struct addrinfo *peer_resolve(const struct peer *peer, char *why, size_t why_size);

/* Make a bufferevent that is not connected; with TLS, it verifies the peer's certificate and name.
 * The caller frees it. NULL: no memory. */
struct bufferevent *peer_socket(const struct peer *peer, struct event_base *base);

/* Describe why a bufferevent failed; `what` is from its event callback. Valid until the next call
 * on the same thread. */
const char *peer_error(struct bufferevent *socket, short what);

#endif
