/* The root certificates of the system. */
#ifndef FR_SYSTEM_ROOTS_H
#define FR_SYSTEM_ROOTS_H

#include <openssl/x509.h>

/* Max roots of one organisation; more are dropped. */
#define FR_SYSTEM_ROOTS_MAX 8

/* The valid roots of the system whose subject has the organisation of `root`, `root` itself included if
 * the system has it. They are read from OpenSSL's default file and folders of certificates, which
 * SSL_CERT_FILE and SSL_CERT_DIR replace. Returns a list, which may be empty and which the caller
 * frees with sk_X509_pop_free(). Any thread. */
STACK_OF(X509) * fr_system_roots_like(X509 *root);

#endif
