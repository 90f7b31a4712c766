/*
 * A vehicle's identity, from its verified certificate and nothing else.
 *
 * The rules are those of Tesla's server (fleet-telemetry): issuer name, extended key usage and
 * organisational unit determine the kind of device.
 */
#ifndef FR_IDENTITY_H
#define FR_IDENTITY_H

#include <openssl/x509.h>

#include "record/record.h"
#include "util/error.h"

struct fr_identity {
    char id[FR_VIN_MAX + 1]; /* the VIN, for cars */
    const char *type;        /* a string constant: "vehicle_device" and so on */
};

/* Read the identity from a leaf certificate that was verified against the CA bundle. The certificate
 * must be usable for client authentication: extended key usage clientAuth, any, or none given. -1
 * and the cause in *error. Any thread. */
int fr_identity_of(X509 *leaf, struct fr_identity *identity, struct fr_error *error);

#endif
