/*
 * tls.h - the server's side of mutual TLS: one SSL_CTX for all vehicles.
 *
 * TLS 1.2 and 1.3; a client certificate is required and verified against the configured CA
 * bundle, in which every certificate is an anchor, intermediates too, as in Tesla's server.
 */
#ifndef FR_TLS_H
#define FR_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

struct fr_tls_files {
    const char *certificate; /* PEM: the server's certificate and its chain */
    const char *key;         /* PEM: its private key */
    const char *vehicle_ca;  /* PEM: who may have signed vehicles' certificates */
    const char *crl;         /* PEM: lists of certificates that are revoked; NULL: none */
};

/* Read the files and make a context; the caller frees it with SSL_CTX_free. NULL and which
 * file is wrong, and why. An expired certificate in the CA bundle is only warned of. */
SSL_CTX *fr_tls_context(const struct fr_tls_files *files, struct fr_error *error);

/* A number made of the files' times and inodes: another one when a file has changed. Take it before
 * fr_tls_context(), so that a change between the two is noticed at the next look. */
int64_t fr_tls_files_mark(const struct fr_tls_files *files);

/* When the server's certificate expires, in seconds since 1970; 0: it cannot be told. */
int64_t fr_tls_expiry(const SSL_CTX *context);

/* Whether the server's certificate is valid at this moment. */
bool fr_tls_valid_now(const SSL_CTX *context);

/* Why a handshake failed, in words that say which side has to be mended. `ssl` is the
 * connection after SSL_accept failed; empties OpenSSL's error queue. The text is written to
 * `why`. Returns a short class ("no-certificate", "rejected-us", "not-trusted", "other"). */
const char *fr_tls_failure(SSL *ssl, char *why, size_t size);

#endif
