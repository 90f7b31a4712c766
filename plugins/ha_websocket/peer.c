#include "ha_websocket/peer.h"

#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls_client.h"

static bool peer_set_host(struct peer *p, const char *from, size_t len)
{
    if (len == 0 || len >= sizeof p->host)
        return false;
    memcpy(p->host, from, len);
    p->host[len] = '\0';
    return strpbrk(p->host, " @\r\n\t") == NULL;
}

static bool peer_set_port(struct peer *p, const char *from, size_t len)
{
    char text[8] = "";
    char *end;
    long port;

    if (len == 0 || len >= sizeof text)
        return false;
    memcpy(text, from, len);
    port = strtol(text, &end, 10);
    snprintf(p->port, sizeof p->port, "%s", text);
    return *end == '\0' && port > 0 && port < 65536;
}

int peer_parse(struct peer *p, const char *url, char *why, size_t why_size)
{
    const char *at = url, *host_end, *end;
    bool ok;

    *p = (struct peer){.tls = strncmp(url, "https://", 8) == 0};
    if (p->tls || strncmp(url, "http://", 7) == 0)
        at += p->tls ? 8 : 7;
    else {
        snprintf(why, why_size, "\"%s\" is not a URL such as http://homeassistant.local:8123", url);
        return -1;
    }
    end = at + strcspn(at, "/");
    host_end = at + strcspn(at, ":/");
    if (*at == '[') { /* [::1] */
        host_end = strchr(at, ']');
        ok = host_end != NULL && host_end < end &&
             peer_set_host(p, at + 1, (size_t)(host_end - at - 1));
        host_end = ok ? host_end + 1 : end;
    } else
        ok = peer_set_host(p, at, (size_t)(host_end - at));
    if (*host_end == ':')
        ok = ok && peer_set_port(p, host_end + 1, (size_t)(end - host_end - 1));
    else
        snprintf(p->port, sizeof p->port, "%s", p->tls ? "443" : "8123");
    snprintf(p->prefix, sizeof p->prefix, "%s", end);
    while (p->prefix[0] != '\0' && p->prefix[strlen(p->prefix) - 1] == '/')
        p->prefix[strlen(p->prefix) - 1] = '\0';
    if (ok && strpbrk(p->prefix, " \r\n") == NULL && strlen(end) < sizeof p->prefix)
        return 0;
    snprintf(why, why_size, "\"%s\" is not a URL such as http://homeassistant.local:8123", url);
    return -1;
}

int peer_init_tls(struct peer *p, const char *ca, char *why, size_t why_size)
{
    if (!p->tls)
        return 0;
    p->context = fr_tls_client_context(ca, NULL, NULL, why, why_size);
    return p->context != NULL ? 0 : -1;
}

void peer_clear(struct peer *p)
{
    SSL_CTX_free(p->context);
    p->context = NULL;
}

struct addrinfo *peer_resolve(const struct peer *p, char *why, size_t why_size)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    const struct addrinfo any = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int code = getaddrinfo(p->host, p->port, &hints, &found);

    if (code != 0) /* AI_ADDRCONFIG ignores loopback: retry for a host without other addresses */
        code = getaddrinfo(p->host, p->port, &any, &found);
    if (code == 0)
        return found;
    snprintf(why, why_size, "%s: %s", p->host,
             code == EAI_SYSTEM ? strerror(errno) : gai_strerror(code));
    return NULL;
}

struct bufferevent *peer_socket(const struct peer *p, struct event_base *base)
{
    return fr_tls_client_socket(p->context, p->host, base);
}

/* Whether a TLS error means that the answer is no TLS record, such as the text "HTTP/1.1 400". */
static bool peer_speaks_http(unsigned long code)
{
    return ERR_GET_LIB(code) == ERR_LIB_SSL &&
           (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER ||
            ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST);
}

const char *peer_error(struct bufferevent *socket, short what)
{
    static _Thread_local char text[160];
    SSL *ssl = bufferevent_openssl_get_ssl(socket);
    unsigned long code = ssl != NULL ? bufferevent_get_openssl_error(socket) : 0;
    long verify = ssl != NULL ? SSL_get_verify_result(ssl) : X509_V_OK;

    if (verify != X509_V_OK)
        snprintf(text, sizeof text, "the certificate is not accepted: %s",
                 X509_verify_cert_error_string(verify));
    else if (code != 0 && peer_speaks_http(code))
        snprintf(text, sizeof text,
                 "the port answers without TLS: use \"http://\" instead of \"https://\" in `url:`");
    else if (code != 0)
        snprintf(text, sizeof text, "TLS: %s", ERR_reason_error_string(code));
    else if (what & BEV_EVENT_TIMEOUT)
        snprintf(text, sizeof text, "the connection timed out");
    else if (what & BEV_EVENT_ERROR && EVUTIL_SOCKET_ERROR() != 0)
        snprintf(text, sizeof text, "%s", evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
    else
        snprintf(text, sizeof text, "Home Assistant closed the connection");
    return text;
}
