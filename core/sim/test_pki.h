/*
 * Makes certificates for tests and demonstrations: a CA with the name of an issuer of Tesla,
 * certificates of vehicles signed by it, and a certificate for the server.
 */
#ifndef FR_TEST_PKI_H
#define FR_TEST_PKI_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "util/error.h"

struct fr_pki;

/* The contents of a certificate to make. Nothing is owned. */
struct fr_pki_request {
    const char *name; /* common name of the subject */
    const char *unit; /* organisational unit; NULL: none */
    EVP_PKEY *key;    /* its public key is certified */
    X509 *issuer;     /* NULL: self-signed */
    EVP_PKEY *issuer_key;
    bool authority;          /* the certificate of a CA */
    const char *usage;       /* extended key usage in OpenSSL's syntax; NULL: none */
    const char *alternative; /* subject alternative names; NULL: none */
    long from_s, until_s;    /* validity, in seconds from now */
};

/* Make a certificate; the caller frees it. NULL: OpenSSL failed. */
X509 *fr_pki_certificate(const struct fr_pki_request *request);

/* Open the PKI in a folder, or make the folder and a PKI: vehicle-ca.pem, vehicle-ca.key,
 * server-ca.pem, server-ca.key, server.pem, server.key. A new server certificate is valid for
 * localhost, 127.0.0.1, ::1 and `host` (NULL: none). NULL on error. */
struct fr_pki *fr_pki_open(const char *folder, const char *host, struct fr_error *error);

/* NULL is ignored. */
void fr_pki_free(struct fr_pki *pki);

/* The defect of a vehicle's certificate, for tests. */
enum fr_pki_flaw {
    FR_PKI_GOOD,
    FR_PKI_EXPIRED,
    FR_PKI_FOREIGN,     /* signed by another CA with the same name */
    FR_PKI_NO_IDENTITY, /* without the extended key usage of Tesla */
    FR_PKI_SERVER_ONLY, /* for servers, not for clients */
};

/* Make a client context with a new certificate for this VIN. The context verifies the server with
 * server-ca.pem. The caller frees the result. NULL on error. */
SSL_CTX *fr_pki_vehicle(struct fr_pki *pki, const char *vin, enum fr_pki_flaw flaw,
                        struct fr_error *error);

/* Make a certificate for this VIN; write it to FOLDER/VIN.pem and its key to FOLDER/VIN.key. -1 on
 * error. */
int fr_pki_export(struct fr_pki *pki, const char *vin, enum fr_pki_flaw flaw, const char *folder,
                  struct fr_error *error);

#endif
