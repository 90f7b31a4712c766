/*
 * Verification of vehicles' certificates: chains, revocation lists (CRLs), and why a certificate was
 * not accepted.
 *
 * A chain is accepted if Go's crypto/tls, which Tesla's server uses, accepts it. The differences
 * are in fleetroute-compat(7).
 *
 * A CRL of tls.crl applies to the certificates of its issuer. Certificates of issuers without a CRL
 * are accepted, and an outdated CRL still revokes what it lists: a CRL that was not renewed must not
 * disconnect a fleet.
 */
#ifndef FR_TLS_VERIFY_H
#define FR_TLS_VERIFY_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "ingest/certificate_id.h"
#include "util/error.h"

/* Make the context request peers' certificates and verify those that are sent. A peer that sends
 * none completes the handshake. */
void fr_tls_verify_setup(SSL_CTX *context);

/* Add the CRLs of a PEM file, read from `bio`, to the context; `file` is its name for messages. The
 * anchors must be loaded: a CRL whose issuer is an anchor must be signed by it. -1 and the cause in
 * *error. */
int fr_tls_verify_add_crls(SSL_CTX *context, BIO *bio, const char *file, struct fr_error *error);

/* Whether a CRL of the context revokes the certificate with this id. True without memory to find
 * out. Any thread. */
bool fr_tls_revoked(const SSL_CTX *context, const struct fr_certificate_id *id);

/* Describe why the calling thread's last handshake did not accept a certificate: which one, why, and
 * the remedy, up to `size` bytes in `why`. False: the handshake failed for another reason. */
bool fr_tls_verify_describe_failure(const SSL *ssl, char *why, size_t size);

#endif
