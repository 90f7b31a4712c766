/*
 * Rules for single certificates of a client's chain that Tesla's server has and OpenSSL has not:
 * those of Go's crypto/x509.
 */
#ifndef FR_CERTIFICATE_RULES_H
#define FR_CERTIFICATE_RULES_H

#include <openssl/x509.h>
#include <stdbool.h>

/* Whether the extended key usage allows client authentication: clientAuth or any is in it, or it is
 * absent or empty. In Go this holds for the leaf, each intermediate and the anchor. Any thread. */
bool fr_certificate_allows_client(const X509 *certificate);

/* Whether Go would parse the certificate: the serial number is not negative, and each text of its
 * names has a known string type and only characters of this type. Any thread. */
bool fr_certificate_is_readable(const X509 *certificate);

#endif
