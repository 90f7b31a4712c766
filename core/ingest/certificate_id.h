/*
 * What a revocation list names a certificate by: its issuer's name and its serial number.
 *
 * An open WebSocket keeps these 150 bytes instead of its certificate, which takes 5 kB in OpenSSL, so
 * that a renewed revocation list still finds it.
 */
#ifndef FR_CERTIFICATE_ID_H
#define FR_CERTIFICATE_ID_H

#include <openssl/x509.h>

struct fr_certificate_id;

/* The id of a certificate. The caller frees it with free(3). NULL: out of memory. Any thread. */
struct fr_certificate_id *fr_certificate_id_new(const X509 *certificate);

/* A certificate that has this id and nothing else, for X509_CRL_get0_by_cert(). The caller frees it
 * with X509_free(). NULL: out of memory. Any thread. */
X509 *fr_certificate_id_expand(const struct fr_certificate_id *id);

#endif
