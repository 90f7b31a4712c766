/*
 * The TLS settings of the listener, which follow its certificate's files. A renewed certificate is used
 * for connections that are accepted later. Used on the sink's thread.
 */
#ifndef FR_TESLAMATE_TLS_SERVER_H
#define FR_TESLAMATE_TLS_SERVER_H

#include <event2/bufferevent.h>
#include <stdbool.h>
#include <stddef.h>

struct tls_server;

/* Keep the paths of a certificate chain and its private key (PEM), which must outlive the result. The
 * files are not read yet. NULL: no memory. */
struct tls_server *tls_server_new(const char *certificate, const char *key);

void tls_server_free(struct tls_server *tls);

/* Read the files if they have changed since the last call. False: they cannot be used, and `why` names
 * the file and the cause; earlier settings stay in use. */
bool tls_server_refresh(struct tls_server *tls, char *why, size_t why_size);

/* Whether a certificate was read. */
bool tls_server_is_ready(const struct tls_server *tls);

/* Make a bufferevent for an accepted socket, which it closes when it is freed. NULL: no memory; the
 * socket is then the caller's. */
struct bufferevent *tls_server_accept(struct tls_server *tls, struct event_base *base, int fd);

#endif
