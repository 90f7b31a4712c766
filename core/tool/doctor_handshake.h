/*
 * One TLS handshake for `fleetroute doctor`, as a client without a certificate: which certificates
 * the server offers, and whether it asks for the client's. The server is not verified here.
 */
#ifndef FR_DOCTOR_HANDSHAKE_H
#define FR_DOCTOR_HANDSHAKE_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

struct fr_doctor_handshake {
    STACK_OF(X509) * chain;        /* as offered, the server's first; NULL: none */
    bool asks_certificate;         /* the server sent a CertificateRequest */
    STACK_OF(X509_NAME) * issuers; /* CA names in it; NULL or empty: none */
};

/* Shake hands on the socket `fd` (non-blocking), which the caller closes. `name` is sent as SNI. A
 * handshake that the server ends because the certificate is missing is a success. Returns 0, or -1
 * with `error` set if the server offered no certificate. The caller frees the result with
 * fr_doctor_handshake_free() in both cases. */
int fr_doctor_shake_hands(int fd, const char *name, int64_t limit_ms,
                          struct fr_doctor_handshake *handshake, struct fr_error *error);
void fr_doctor_handshake_free(struct fr_doctor_handshake *handshake);

/* Verify offered certificates at this moment with the CAs in `ca` (PEM text) as the only trusted
 * ones; NULL: the CAs of the system, and those of the PEM file `extra` if it is not NULL. `is_partial`:
 * a chain may end at a trusted certificate that is not self-signed. Returns X509_V_OK or the error of
 * X509_verify_cert(3); `subject` gets the name of the certificate at which it occurred. */
int fr_doctor_verify(STACK_OF(X509) * chain, const char *ca, const char *extra, bool is_partial,
                     char subject[256]);

#endif
