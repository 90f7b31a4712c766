/*
 * The server's side of mutual TLS: one SSL_CTX for all vehicles.
 *
 * TLS 1.2 and 1.3. A client certificate is requested and verified against the configured CA bundle;
 * without one the handshake succeeds, and the caller decides.
 * Each certificate in the bundle is a trust anchor, intermediates too, as in Tesla's server.
 */
#ifndef FR_TLS_H
#define FR_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

/* Paths of PEM files. */
struct fr_tls_files {
    const char *certificate; /* the server's certificate and its chain */
    const char *key;         /* its private key */
    const char *vehicle_ca;  /* CA certificates that sign vehicles' certificates */
    const char *crl;         /* certificate revocation lists; NULL: none */
};

/* Read the files and create a context, which the caller frees with SSL_CTX_free(). NULL and the
 * cause, with the file's name, in *error. An expired certificate in the CA bundle is only logged. */
SSL_CTX *fr_tls_context(const struct fr_tls_files *files, struct fr_error *error);

/* The same, but with the certificate, its chain and the key of `served`. The files of `files` with
 * these are not read. */
SSL_CTX *fr_tls_context_serving(const struct fr_tls_files *files, const SSL_CTX *served,
                                struct fr_error *error);

/* Read a certificate with its chain and its key, and create a context for clients without
 * certificates, as browsers are. The caller frees it with SSL_CTX_free(). NULL and the cause, with the
 * file's name, in *error. */
SSL_CTX *fr_tls_server_context(const char *certificate, const char *key, struct fr_error *error);

/* A number that differs when a file has changed: a hash of the files' times and inodes. Call it
 * before fr_tls_context(): a change between the two calls is then noticed by the next comparison.
 * Members that are NULL are ignored. */
int64_t fr_tls_files_fingerprint(const struct fr_tls_files *files);

/* When the server's certificate expires, in seconds since 1970; 0: unknown. */
int64_t fr_tls_expiry(const SSL_CTX *context);

/* Whether the server's certificate is valid now. */
bool fr_tls_valid_now(const SSL_CTX *context);

enum fr_tls_failure_class {
    FR_TLS_FAILURE_NOT_TRUSTED,     /* the peer's certificate was not accepted */
    FR_TLS_FAILURE_REJECTED_SERVER, /* the peer did not accept the server's certificate */
    FR_TLS_FAILURE_OTHER,
    FR_TLS_FAILURE_CLASSES /* their number */
};

/* Describe why a handshake failed, with the side that has to be corrected: up to `size` bytes in
 * `why`. `ssl` is the connection after SSL_accept() failed on the same thread, whose OpenSSL error
 * queue is emptied. */
enum fr_tls_failure_class fr_tls_describe_failure(SSL *ssl, char *why, size_t size);

#endif
