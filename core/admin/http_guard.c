#include "admin/http_guard.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "util/memory.h"

struct fr_http_names {
    char **list;
    size_t count;
};

static void guard_add_name(struct fr_http_names *names, char *name)
{
    names->list = fr_realloc(names->list, names->count + 1, sizeof *names->list);
    names->list[names->count++] = name;
}

struct fr_http_names *fr_http_names_new(char *const *hosts, size_t count)
{
    struct fr_http_names *names = fr_calloc(1, sizeof *names);
    char machine[FR_HTTP_NAME_SIZE];

    guard_add_name(names, fr_strdup("localhost"));
    if (gethostname(machine, sizeof machine - 1) == 0) {
        machine[sizeof machine - 1] = '\0';
        guard_add_name(names, fr_strdup(machine));
        machine[strcspn(machine, ".")] = '\0';
        guard_add_name(names, fr_strdup(machine));
        guard_add_name(names, fr_asprintf("%s.local", machine));
    }
    for (size_t i = 0; i < count; i++)
        guard_add_name(names, fr_strdup(hosts[i]));
    return names;
}

void fr_http_names_free(struct fr_http_names *names)
{
    if (names == NULL)
        return;
    for (size_t i = 0; i < names->count; i++)
        free(names->list[i]);
    free(names->list);
    free(names);
}

/* A host and its port, as in Host and Origin. */
struct guard_host {
    char name[FR_HTTP_NAME_SIZE]; /* of an IPv6 address without its brackets */
    bool is_ipv6;
    unsigned port; /* 0: none is given */
};

/* Parse "name", "name:port", "[address]" or "[address]:port". */
static bool guard_parse_host(const char *text, struct guard_host *host)
{
    size_t len;

    host->is_ipv6 = text[0] == '[';
    host->port = 0;
    text += host->is_ipv6;
    len = strspn(text, host->is_ipv6
                           ? "0123456789abcdefABCDEF:."
                           : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");
    if (len == 0 || len >= sizeof host->name || (host->is_ipv6 && text[len] != ']'))
        return false;
    memcpy(host->name, text, len);
    host->name[len] = '\0';
    if (!host->is_ipv6 && host->name[len - 1] == '.')
        host->name[len - 1] = '\0'; /* the full form of a name */
    text += len + host->is_ipv6;
    if (text[0] == '\0')
        return true;
    len = text[0] == ':' ? strspn(text + 1, "0123456789") : 0;
    if (len == 0 || len > 5 || text[1 + len] != '\0')
        return false;
    host->port = (unsigned)strtoul(text + 1, NULL, 10);
    return host->port != 0 && host->port <= 65535;
}

static bool guard_is_address(const struct guard_host *host)
{
    unsigned char address[16];

    return inet_pton(host->is_ipv6 ? AF_INET6 : AF_INET, host->name, address) == 1;
}

bool fr_http_host_allowed(const struct fr_http_names *names, const char *text, X509 *certificate)
{
    struct guard_host host;

    if (text == NULL)
        return true;
    if (!guard_parse_host(text, &host))
        return false;
    if (guard_is_address(&host))
        return true;
    for (size_t i = 0; i < names->count; i++)
        if (strcasecmp(names->list[i], host.name) == 0)
            return true;
    return certificate != NULL && host.name[0] != '\0' &&
           X509_check_host(certificate, host.name, 0, 0, NULL) == 1;
}

/* Whether an Origin header names the same scheme, host and port as the request. */
static bool guard_is_same_origin(const char *origin, const char *request_host, bool tls)
{
    bool https = strncasecmp(origin, "https://", 8) == 0;
    struct guard_host from, to;
    unsigned standard = https ? 443 : 80;

    if ((!https && (tls || strncasecmp(origin, "http://", 7) != 0)) || request_host == NULL ||
        !guard_parse_host(origin + (https ? 8 : 7), &from) || !guard_parse_host(request_host, &to))
        return false;
    return from.is_ipv6 == to.is_ipv6 && strcasecmp(from.name, to.name) == 0 &&
           (from.port != 0 ? from.port : standard) == (to.port != 0 ? to.port : standard);
}

static bool guard_is(const char *header, const char *word)
{
    return header != NULL && strcasecmp(header, word) == 0;
}

bool fr_http_origin_allowed(const struct fr_http_origin *headers, bool tls, bool may_navigate)
{
    if (headers->origin != NULL && !guard_is_same_origin(headers->origin, headers->host, tls))
        return false;
    if (headers->fetch_site == NULL || guard_is(headers->fetch_site, "same-origin") ||
        guard_is(headers->fetch_site, "none"))
        return true;
    return may_navigate && headers->origin == NULL && guard_is(headers->fetch_mode, "navigate") &&
           guard_is(headers->fetch_dest, "document");
}
