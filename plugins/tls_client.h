/*
 * TLS of a plugin that connects to a server: the settings of all connections, sockets on libevent,
 * and the reason of a failure for people.
 *
 * A context is constant after it is made. Everything runs on the sink's thread.
 */
#ifndef FR_TLS_CLIENT_H
#define FR_TLS_CLIENT_H

#include <event2/bufferevent.h>
#include <openssl/ssl.h>
#include <stddef.h>

/*
 * Make the settings of a client that verifies the server's certificate, from TLS 1.2 on. `ca` is a
 * PEM file with the trusted CAs; NULL: those of the system. `certificate` and `key` are PEM files of
 * the client; NULL: it has none. The caller frees the result with SSL_CTX_free(). Returns NULL with a
 * message in `why` that names the file.
 */
SSL_CTX *fr_tls_client_context(const char *ca, const char *certificate, const char *key, char *why,
                               size_t why_size);

/* Make a bufferevent that is not connected. With a context, it verifies that the server's certificate
 * is for `host`, a name or a numeric address; without one (NULL) it has no TLS. The caller frees it.
 * NULL: no memory. */
struct bufferevent *fr_tls_client_socket(SSL_CTX *context, const char *host,
                                         struct event_base *base);

/* Describe why a bufferevent of fr_tls_client_socket() failed. `what` is from its event callback;
 * `closed` is the text for a connection that the server closed. */
void fr_tls_client_error(struct bufferevent *socket, short what, const char *closed, char *why,
                         size_t why_size);

#endif
