/*
 * The certificates that a vehicle must trust to accept this server: the `ca` of its telemetry
 * configuration, and the host names that the server's certificate is for.
 */
#ifndef FR_SERVER_CHAIN_H
#define FR_SERVER_CHAIN_H

#include <openssl/x509.h>
#include <stdbool.h>

#include "util/error.h"

/* Max certificates in the file. */
#define FR_SERVER_CHAIN_MAX 16

struct fr_server_chain {
    X509 *certificate; /* the server's */
    char *ca;          /* PEM: the certificates above it, up to the root */
    char *host;        /* the only host name in the certificate; NULL: several, none or "*.…" */
    STACK_OF(X509) * file; /* the certificates of the file, the server's first */
    bool has_root;         /* false: `ca` ends before a self-signed certificate */
};

/* The certificates of a PEM file in their order, without repeated ones. The caller frees them with
 * sk_X509_pop_free(). NULL: there is none, or more than FR_SERVER_CHAIN_MAX; the cause is in *error. */
STACK_OF(X509) * fr_server_chain_read(const char *path, struct fr_error *error);

/* Read the PEM file with the server's certificate and its chain, and complete the chain with the
 * roots of the system. Expiry is not checked. Returns 0, or -1 with the cause in *error. The caller
 * frees the chain with fr_server_chain_free() in the first case. */
int fr_server_chain_load(struct fr_server_chain *chain, const char *path, struct fr_error *error);

/* Whether the certificate is for this host name. Only subject alternative names count, not the
 * common name. */
bool fr_server_chain_covers(const struct fr_server_chain *chain, const char *host);

void fr_server_chain_free(struct fr_server_chain *chain);

#endif
