/*
 * identity.h - who a vehicle is, from its verified certificate and nothing else.
 *
 * The rules are those of Tesla's server: which issuers make which kind of device, by issuer
 * name, extended key usage and organisational unit.
 */
#ifndef FR_IDENTITY_H
#define FR_IDENTITY_H

#include <openssl/x509.h>

#include "record/record.h"
#include "util/error.h"

struct fr_identity {
    char id[FR_VIN_MAX + 1]; /* the VIN, for cars */
    const char *type;        /* "vehicle_device" and so on */
};

/* The identity in a leaf certificate that was verified against the CA bundle, its usage
 * included: it must be good for client authentication (extended key usage clientAuth, any, or
 * none given). -1 and the reason when it gives none. */
int fr_identity_of(X509 *leaf, struct fr_identity *identity, struct fr_error *error);

#endif
