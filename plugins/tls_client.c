#include "tls_client.h"

#include <arpa/inet.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The first error of this thread's OpenSSL queue, which is then cleared. */
static const char *tls_client_reason(void)
{
    unsigned long code = ERR_get_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

    /* OpenSSL 3 has no reason for an error of the system. */
    if (code != 0 && reason == NULL && ERR_SYSTEM_ERROR(code))
        reason = strerror((int)ERR_GET_REASON(code));
    ERR_clear_error();
    return reason != NULL ? reason : "unknown reason";
}

/* Load the files. Returns the file that failed; NULL: none. */
static const char *tls_client_load(SSL_CTX *context, const char *ca, const char *certificate,
                                   const char *key)
{
    if ((ca != NULL ? SSL_CTX_load_verify_file(context, ca)
                    : SSL_CTX_set_default_verify_paths(context)) != 1)
        return ca != NULL ? ca : "the system's CAs";
    if (certificate != NULL && SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
        return certificate;
    if (key != NULL && SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return key;
    return NULL;
}

SSL_CTX *fr_tls_client_context(const char *ca, const char *certificate, const char *key, char *why,
                               size_t why_size)
{
    SSL_CTX *context;
    const char *failed;

    ERR_clear_error();
    context = SSL_CTX_new(TLS_client_method());
    failed = context != NULL ? tls_client_load(context, ca, certificate, key) : "TLS";
    if (failed == NULL) {
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
        return context;
    }
    snprintf(why, why_size, "%.200s: %s", failed, tls_client_reason());
    SSL_CTX_free(context);
    return NULL;
}

static bool tls_client_is_address(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static SSL *tls_client_new_ssl(SSL_CTX *context, const char *host)
{
    SSL *ssl = SSL_new(context);
    bool address = tls_client_is_address(host);

    if (ssl != NULL &&
        (address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host)
                 : SSL_set1_host(ssl, host)) == 1 &&
        (address || SSL_set_tlsext_host_name(ssl, host) == 1))
        return ssl;
    SSL_free(ssl);
    return NULL;
}

struct bufferevent *fr_tls_client_socket(SSL_CTX *context, const char *host,
                                         struct event_base *base)
{
    const int flags = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;
    struct bufferevent *socket;
    SSL *ssl;

    if (context == NULL)
        return bufferevent_socket_new(base, -1, flags);
    if ((ssl = tls_client_new_ssl(context, host)) == NULL)
        return NULL;
    socket = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_CONNECTING, flags);
    if (socket == NULL)
        SSL_free(ssl);
    else
        bufferevent_openssl_set_allow_dirty_shutdown(socket, 1);
    return socket;
}

void fr_tls_client_error(struct bufferevent *socket, short what, const char *closed, char *why,
                         size_t why_size)
{
    int error = EVUTIL_SOCKET_ERROR();
    SSL *ssl = bufferevent_openssl_get_ssl(socket);
    unsigned long code = ssl != NULL ? bufferevent_get_openssl_error(socket) : 0;
    long verify = ssl != NULL ? SSL_get_verify_result(ssl) : X509_V_OK;
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

    if (verify != X509_V_OK)
        snprintf(why, why_size,
                 "the server's certificate is not accepted: %s (check `ca:`, and that "
                 "`host:` is a name in the certificate)",
                 X509_verify_cert_error_string(verify));
    else if (code != 0 && ERR_GET_LIB(code) == ERR_LIB_SSL &&
             ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER)
        snprintf(why, why_size, "the port answers without TLS (check `port:` and `tls:`)");
    else if (code != 0 && reason != NULL)
        snprintf(why, why_size, "TLS: %s", reason);
    else if (what & BEV_EVENT_TIMEOUT)
        snprintf(why, why_size, "the connection timed out");
    /* libevent reports a refused connection with TLS as an end of the stream. */
    else if (error != 0 && (what & BEV_EVENT_ERROR || (ssl != NULL && !SSL_is_init_finished(ssl))))
        snprintf(why, why_size, "%s", evutil_socket_error_to_string(error));
    else
        snprintf(why, why_size, "%s", closed);
}
