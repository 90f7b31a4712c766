/*
 * Frees what OpenSSL keeps of a completed handshake and does not use again: the peer's certificates
 * and the keys of the key exchange. OpenSSL has no function for it.
 */
#ifndef FR_TLS_RELEASE_H
#define FR_TLS_RELEASE_H

#include <openssl/ssl.h>

/* Free the certificates and ephemeral keys of a server's connection whose handshake is complete.
 * SSL_get0_peer_certificate() returns NULL afterwards. The context must have no session cache, no
 * tickets and no renegotiation: the session cannot be resumed afterwards. Without memory some of it
 * is kept. Empties the calling thread's OpenSSL error queue. */
void fr_tls_release_handshake(SSL *ssl);

#endif
