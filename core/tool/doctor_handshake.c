#include "tool/doctor_handshake.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "util/clock.h"
#include "util/no_passphrase.h"

/* ---- callbacks of OpenSSL -------------------------------------------------------- */

/* Keeps what the server offers, also if the handshake fails later. */
static int handshake_keep_chain(X509_STORE_CTX *context, void *ctx)
{
    struct fr_doctor_handshake *handshake = ctx;

    handshake->chain = X509_chain_up_ref(X509_STORE_CTX_get0_untrusted(context));
    X509_STORE_CTX_set_error(context, X509_V_OK);
    return 1;
}

/* Called when the server asks for a certificate. */
static int handshake_keep_request(SSL *ssl, void *ctx)
{
    struct fr_doctor_handshake *handshake = ctx;
    const STACK_OF(X509_NAME) *names = SSL_get0_peer_CA_list(ssl);

    handshake->asks_certificate = true;
    if (handshake->issuers == NULL && (handshake->issuers = sk_X509_NAME_new_null()) != NULL)
        for (int i = 0; i < sk_X509_NAME_num(names); i++) {
            X509_NAME *name = X509_NAME_dup(sk_X509_NAME_value(names, i));

            if (name != NULL && sk_X509_NAME_push(handshake->issuers, name) <= 0)
                X509_NAME_free(name);
        }
    return 1; /* and send none */
}

static SSL_CTX *handshake_context(struct fr_doctor_handshake *handshake)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (context == NULL)
        return NULL;
    SSL_CTX_set_cert_verify_callback(context, handshake_keep_chain, handshake);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_cb(context, handshake_keep_request, handshake);
    return context;
}

/* ---- the handshake --------------------------------------------------------------- */

/* Wait for what SSL_connect() needs. Returns false after `end_ms` and if `result` is final. */
static bool handshake_await(SSL *ssl, int result, int64_t end_ms)
{
    struct pollfd poller = {.fd = SSL_get_fd(ssl)};
    int64_t left_ms = end_ms - fr_monotonic_ms();

    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
        poller.events = POLLIN;
        break;
    case SSL_ERROR_WANT_WRITE:
        poller.events = POLLOUT;
        break;
    default:
        return false;
    }
    return left_ms > 0 && poll(&poller, 1, (int)left_ms) > 0;
}

int fr_doctor_shake_hands(int fd, const char *name, int64_t limit_ms,
                          struct fr_doctor_handshake *handshake, struct fr_error *error)
{
    int64_t end_ms = fr_monotonic_ms() + limit_ms;
    SSL_CTX *context;
    SSL *ssl = NULL;
    int result;

    *handshake = (struct fr_doctor_handshake){0};
    context = handshake_context(handshake);
    if (context != NULL)
        ssl = SSL_new(context);
    fr_error_set(error, "OpenSSL has no memory");
    if (ssl != NULL && SSL_set_fd(ssl, fd) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1) {
        ERR_clear_error();
        do
            result = SSL_connect(ssl);
        while (result != 1 && handshake_await(ssl, result, end_ms));
        if (handshake->chain == NULL) {
            const char *reason = ERR_reason_error_string(ERR_peek_error());

            fr_error_set(error, "%s",
                         reason != NULL                ? reason
                         : fr_monotonic_ms() >= end_ms ? "no answer in time"
                                                       : "the connection was closed");
        }
    }
    ERR_clear_error();
    SSL_free(ssl);
    SSL_CTX_free(context);
    return handshake->chain != NULL && sk_X509_num(handshake->chain) > 0 ? 0 : -1;
}

void fr_doctor_handshake_free(struct fr_doctor_handshake *handshake)
{
    sk_X509_pop_free(handshake->chain, X509_free);
    sk_X509_NAME_pop_free(handshake->issuers, X509_NAME_free);
    *handshake = (struct fr_doctor_handshake){0};
}

/* ---- verification ---------------------------------------------------------------- */

static bool handshake_add_pem(X509_STORE *store, const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate;

    while (bio != NULL &&
           (certificate = PEM_read_bio_X509(bio, NULL, fr_no_passphrase, NULL)) != NULL) {
        X509_STORE_add_cert(store, certificate);
        X509_free(certificate);
    }
    BIO_free(bio);
    return bio != NULL;
}

static bool handshake_add_trust(X509_STORE *store, const char *ca, const char *extra)
{
    if (ca != NULL)
        return handshake_add_pem(store, ca);
    if (extra != NULL && X509_STORE_load_file(store, extra) != 1)
        ERR_clear_error(); /* reported by the link that reads the file */
    return X509_STORE_set_default_paths(store) == 1;
}

int fr_doctor_verify(STACK_OF(X509) * chain, const char *ca, const char *extra, bool is_partial,
                     char subject[256])
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    int code = X509_V_ERR_OUT_OF_MEM;

    subject[0] = '\0';
    if (store != NULL && context != NULL && handshake_add_trust(store, ca, extra) &&
        X509_STORE_CTX_init(context, store, sk_X509_value(chain, 0), chain) == 1) {
        X509_STORE_CTX_set_default(context, "ssl_server");
        if (is_partial)
            X509_STORE_CTX_set_flags(context, X509_V_FLAG_PARTIAL_CHAIN);
        X509_verify_cert(context);
        code = X509_STORE_CTX_get_error(context);
        if (X509_STORE_CTX_get_current_cert(context) != NULL)
            X509_NAME_oneline(X509_get_subject_name(X509_STORE_CTX_get_current_cert(context)),
                              subject, 256);
    }
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    ERR_clear_error();
    return code;
}
