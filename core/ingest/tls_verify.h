/*
 * tls_verify.h - revocation lists, and why a vehicle's certificate was not accepted.
 *
 * A CRL of tls.crl counts for the vehicles of its issuer. Vehicles of issuers without a CRL are let
 * in, and an outdated CRL still revokes what it lists: a list that nobody has renewed must not shut
 * out a fleet.
 */
#ifndef FR_TLS_VERIFY_H
#define FR_TLS_VERIFY_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "util/error.h"

/* Have the context verify peers' certificates; after its anchors are loaded. */
void fr_tls_verify_setup(SSL_CTX *context);

/* Add the CRLs of a PEM file, read from `bio`, to the context. One whose issuer is among the anchors
 * must be signed by it. -1 and why. */
int fr_tls_verify_add_crls(SSL_CTX *context, BIO *bio, const char *file, struct fr_error *error);

/* Whether a CRL of the context revokes the certificate. Any thread. */
bool fr_tls_revoked(const SSL_CTX *context, const X509 *certificate);

/* Why the calling thread's last handshake did not accept a certificate: writes which certificate,
 * why, and what can be done to `why`. False: the certificates are not what failed. */
bool fr_tls_verify_failure(const SSL *ssl, char *why, size_t size);

#endif
