/*
 * test_pki.h - certificates for simulated vehicles: a CA that bears the name of one of Tesla's
 * issuers, vehicles' certificates below it, and a certificate for the server. For tests and
 * demonstrations only.
 */
#ifndef FR_TEST_PKI_H
#define FR_TEST_PKI_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "util/error.h"

struct fr_pki;

/* A certificate to make. */
struct fr_pki_wish {
    const char *name; /* common name of the subject */
    const char *unit; /* organisational unit; NULL: none */
    EVP_PKEY *key;    /* whose public part is certified */
    X509 *issuer;     /* NULL: self-signed */
    EVP_PKEY *issuer_key;
    bool authority;
    const char *usage;       /* extended key usage in OpenSSL's words; NULL: none */
    const char *alternative; /* subject alternative names; NULL: none */
    long from_s, until_s;    /* validity, in seconds from now */
};

/* Make it; the caller frees it. NULL when OpenSSL fails. */
X509 *fr_pki_certificate(const struct fr_pki_wish *wish);

/* Use the PKI in a folder, or make one there: vehicle-ca.pem (+ .key), server-ca.pem (+ .key),
 * server.pem, server.key. `host` is put into a new server certificate beside localhost and
 * 127.0.0.1; may be NULL. */
struct fr_pki *fr_pki_open(const char *folder, const char *host, struct fr_error *error);
void fr_pki_free(struct fr_pki *pki);

/* How a vehicle's certificate may deviate, for tests. */
enum fr_pki_flaw {
    FR_PKI_GOOD,
    FR_PKI_EXPIRED,
    FR_PKI_FOREIGN,     /* signed by another CA of the same name */
    FR_PKI_NO_IDENTITY, /* without Tesla's extended key usage */
    FR_PKI_SERVER_ONLY, /* for servers, not for clients */
};

/* A client context with a fresh certificate for this VIN. The server's certificate is verified
 * against server-ca.pem. NULL and why. */
SSL_CTX *fr_pki_vehicle(struct fr_pki *pki, const char *vin, enum fr_pki_flaw flaw,
                        struct fr_error *error);

/* Write the vehicle's certificate and key to FOLDER/VIN.pem and FOLDER/VIN.key. -1 and why. */
int fr_pki_export(struct fr_pki *pki, const char *vin, enum fr_pki_flaw flaw, const char *folder,
                  struct fr_error *error);

#endif
