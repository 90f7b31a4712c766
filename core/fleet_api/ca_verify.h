/*
 * Lists of CA certificates as PEM, and the verification that a vehicle makes: a server's certificate
 * against such a list alone.
 */
#ifndef FR_CA_VERIFY_H
#define FR_CA_VERIFY_H

#include <openssl/x509.h>
#include <stdbool.h>

/* Max certificates of a list. */
#define FR_CA_MAX 32

/* Whether a certificate is in a list, which may be NULL. */
bool fr_ca_has(const STACK_OF(X509) * list, const X509 *certificate);

/* Read the first FR_CA_MAX certificates of a PEM text. The caller frees the list, which may be empty,
 * with sk_X509_pop_free(). */
STACK_OF(X509) * fr_ca_parse(const char *pem);

/* Write a list as PEM; the caller frees the text. The same certificates in the same order are always
 * the same text. NULL: the list is empty. */
char *fr_ca_text(const STACK_OF(X509) * list);

/* Verify now, as a TLS server's, a certificate that is sent with the certificates `sent` (may be
 * NULL), with `anchors` as the only trusted ones. `host`: NULL: any. A list of anchors without a
 * self-signed root verifies nothing. Returns X509_V_OK or the error of X509_verify_cert(3). `chain`,
 * if it is not NULL, gets the verified chain, the server's certificate first; the caller frees it with
 * sk_X509_pop_free(); NULL after an error. Any thread. */
int fr_ca_verify(X509 *certificate, STACK_OF(X509) * sent, X509_STORE *anchors, const char *host,
                 STACK_OF(X509) * *chain);

/* The same with a list. */
int fr_ca_verify_list(X509 *certificate, STACK_OF(X509) * sent, const STACK_OF(X509) * list,
                      const char *host, STACK_OF(X509) * *chain);

#endif
