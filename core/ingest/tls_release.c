#include "ingest/tls_release.h"

#include <openssl/err.h>
#include <openssl/x509.h>

#define SESSION_MAX 128 /* bytes of an encoded session without secrets; OpenSSL 3.5 needs 60 */

static void release_certificates(STACK_OF(X509) * list)
{
    while (sk_X509_num(list) > 0)
        X509_free(sk_X509_pop(list));
}

/* Shrink the list of the ciphers that the peer offered. */
static void release_ciphers(STACK_OF(SSL_CIPHER) * list)
{
    if (list == NULL)
        return;
    sk_SSL_CIPHER_zero(list);
    sk_SSL_CIPHER_reserve(list, 0);
}

/* SSL_SESSION has no setter for its certificate. d2i_SSL_SESSION() on an existing session replaces
 * its members; those of a session without certificate and secrets are what the connection needs
 * from now on. */
static void release_peer(SSL *ssl)
{
    SSL_SESSION *session = SSL_get_session(ssl), *bare = SSL_SESSION_new();
    unsigned char der[SESSION_MAX], *to = der;
    const unsigned char *from = der;
    int size;

    if (bare == NULL || session == NULL ||
        SSL_SESSION_get_max_fragment_length(session) != TLSEXT_max_fragment_length_DISABLED ||
        SSL_SESSION_set_protocol_version(bare, SSL_SESSION_get_protocol_version(session)) != 1 ||
        SSL_SESSION_set_cipher(bare, SSL_SESSION_get0_cipher(session)) != 1) {
        SSL_SESSION_free(bare);
        return;
    }
    size = i2d_SSL_SESSION(bare, NULL);
    if (size > 0 && size <= SESSION_MAX && i2d_SSL_SESSION(bare, &to) == size)
        d2i_SSL_SESSION(&session, &from, size);
    SSL_SESSION_free(bare);
}

/* Free the content of a key that OpenSSL refers to until SSL_free(): a change of the type does. The
 * caller's reference is dropped. */
static void release_key(EVP_PKEY *key)
{
    EVP_PKEY_set_type(key, EVP_PKEY_HMAC);
    EVP_PKEY_free(key);
}

void fr_tls_release_handshake(SSL *ssl)
{
    EVP_PKEY *key = NULL;

    release_certificates(SSL_get_peer_cert_chain(ssl));
    release_certificates(SSL_get0_verified_chain(ssl));
    release_ciphers(SSL_get_client_ciphers(ssl));
    release_peer(ssl);
    if (SSL_get_tmp_key(ssl, &key) == 1)
        release_key(key);
    key = NULL;
    if (SSL_get_peer_tmp_key(ssl, &key) == 1)
        release_key(key);
    ERR_clear_error();
}
