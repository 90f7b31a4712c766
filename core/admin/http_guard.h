/*
 * http_guard.h - which requests may come from a web page: the names of this server, and the origin
 * of a request.
 *
 * A page elsewhere can let its own name resolve to this machine (DNS rebinding); its requests then
 * have its name in the Host header. It can also send requests across origins; browsers then send
 * Origin, Sec-Fetch-Site or both. Clients that are no browsers send neither. Main thread.
 */
#ifndef FR_HTTP_GUARD_H
#define FR_HTTP_GUARD_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#define FR_HTTP_NAME_SIZE 256 /* of a host's name, with its NUL */

struct fr_http_names;

/* The names localhost, that of this machine (alone, and with .local), and `count` further ones,
 * which are copied. Never NULL. */
struct fr_http_names *fr_http_names_new(char *const *hosts, size_t count);

void fr_http_names_free(struct fr_http_names *names);

/* Whether a Host header names this server: an IP address, which cannot be rebound; one of the names;
 * or a name of `certificate` (NULL: none). NULL, as from an HTTP/1.0 client, is allowed: browsers
 * always send the header. */
bool fr_http_host_allowed(const struct fr_http_names *names, const char *host, X509 *certificate);

/* Headers of a request; NULL: not sent. */
struct fr_http_origin {
    const char *host;
    const char *origin;
    const char *fetch_site, *fetch_mode, *fetch_dest; /* Sec-Fetch-… */
};

/* Whether a request comes from a page of this server or from no page. `tls`: the connection is
 * encrypted; otherwise a proxy may be in front, and the scheme of the origin is ignored.
 * `may_navigate`: links on other sites may open the path as a page of its own, which they cannot
 * read. */
bool fr_http_origin_allowed(const struct fr_http_origin *headers, bool tls, bool may_navigate);

#endif
