#include "ingest/http_target.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

static const char status_path[] = "/status";

/* The length of "scheme:" at the start of a target; 0: there is none. */
static size_t target_scheme_len(const char *at, size_t len)
{
    size_t n = 0;

    if (len == 0 || !isalpha((unsigned char)at[0]))
        return 0;
    while (n < len && (isalnum((unsigned char)at[n]) || (at[n] != '\0' && strchr("+-.", at[n]))))
        n++;
    return n < len && at[n] == ':' ? n + 1 : 0;
}

static int target_hex(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : -1;
}

static bool target_user_valid(const char *at, const char *end)
{
    for (; at < end; at++) {
        if (*at == '%' && (end - at < 3 || target_hex(at[1]) < 0 || target_hex(at[2]) < 0))
            return false;
        if (!isalnum((unsigned char)*at) && strchr("-._:~!$&'()*+,;=%@", *at) == NULL)
            return false;
    }
    return true;
}

/* An IPv6 address, without a zone, from after its '[' to its ']'. */
static bool target_ipv6_valid(const char *at, const char *end)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if ((size_t)(end - at) >= sizeof text)
        return false;
    memcpy(text, at, (size_t)(end - at));
    text[end - at] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

static bool target_authority_valid(const char *at, size_t len)
{
    const char *end = at + len, *user = memrchr(at, '@', len), *port = NULL;

    if (user != NULL && !target_user_valid(at, user))
        return false;
    at = user != NULL ? user + 1 : at;
    if (at < end && *at == '[') {
        port = memchr(at, ']', (size_t)(end - at));
        if (port == NULL || !target_ipv6_valid(at + 1, port) || (++port < end && *port != ':'))
            return false;
    } else {
        port = memchr(at, ':', (size_t)(end - at));
        for (; at < end && at != port; at++)
            if ((unsigned char)*at < 0x80 && !isalnum((unsigned char)*at) &&
                strchr("-._~!$&'()*+,;=]<>\"", *at) == NULL)
                return false;
    }
    while (port != NULL && ++port < end)
        if (!isdigit((unsigned char)*port))
            return false;
    return true;
}

/* Decode a path and compare it. -1: a '%' is not followed by two hexadecimal digits. */
static int target_read_path(const char *at, const char *end, bool *is_status)
{
    size_t n = 0;

    *is_status = true;
    for (; at < end && *at != '?'; at++, n++) {
        int c = (unsigned char)*at;

        if (c == '%') {
            if (end - at < 3 || target_hex(at[1]) < 0 || target_hex(at[2]) < 0)
                return -1;
            c = target_hex(at[1]) << 4 | target_hex(at[2]);
            at += 2;
        }
        if (n >= sizeof status_path - 1 || c != status_path[n])
            *is_status = false;
    }
    if (n != sizeof status_path - 1)
        *is_status = false;
    return 0;
}

int fr_http_target_read(const char *target, size_t len, bool *is_status)
{
    const char *at = target, *end = target + len;
    size_t scheme = target_scheme_len(target, len), authority = 0;

    *is_status = false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)target[i] <= 0x20 || target[i] == 0x7f)
            return -1;
    at += scheme;
    if (at == end || *at != '/')
        return -1;
    if (scheme != 0 && end - at >= 2 && at[1] == '/') {
        at += 2;
        while (at + authority < end && at[authority] != '/' && at[authority] != '?')
            authority++;
        if (!target_authority_valid(at, authority))
            return -1;
        at += authority;
    }
    return target_read_path(at, end, is_status);
}
