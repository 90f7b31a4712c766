#include "zmq/endpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SCHEME "tcp://"
#define ADDRESS_MAX 100 /* bytes between the scheme and the port */

static const char *endpoint_host(const char *endpoint)
{
    return endpoint + strlen(SCHEME);
}

const char *endpoint_mistake(const char *endpoint)
{
    const char *host = endpoint_host(endpoint), *colon = strrchr(endpoint, ':');
    char *end;
    long port;

    if (strncmp(endpoint, SCHEME, strlen(SCHEME)) != 0)
        return "bind must begin with tcp://, such as tcp://127.0.0.1:5284";
    if (colon < host || colon == host || colon - host > ADDRESS_MAX ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return "bind must be tcp://ADDRESS:PORT, such as tcp://127.0.0.1:5284";
    port = strtol(colon + 1, &end, 10);
    if (colon[1] == '\0' || port < 1 || port > 65535)
        return "the port of bind must be between 1 and 65535, such as tcp://127.0.0.1:5284";
    if ((host[0] == '[') != (colon[-1] == ']') ||
        (host[0] != '[' && memchr(host, ':', (size_t)(colon - host)) != NULL))
        return "an IPv6 address of bind needs brackets, such as tcp://[::1]:5284";
    return NULL;
}

bool endpoint_is_ipv6(const char *endpoint)
{
    return endpoint_host(endpoint)[0] == '[';
}

bool endpoint_is_loopback(const char *endpoint)
{
    const char *host = endpoint_host(endpoint);

    return strncmp(host, "127.", 4) == 0 || strncmp(host, "[::1]:", 6) == 0 ||
           strncmp(host, "lo:", 3) == 0;
}

int endpoint_port(const char *endpoint)
{
    return (int)strtol(strrchr(endpoint, ':') + 1, NULL, 10);
}

const char *endpoint_remedy(int code)
{
    switch (code) {
    case EADDRINUSE:
        return "stop the program that uses the port, or choose another port in `bind:`";
    case EACCES:
    case EPERM:
        return "choose a port above 1023 in `bind:`; the daemon has no privileges for lower ones";
    case ENODEV:
    case EADDRNOTAVAIL:
        return "use an address or interface of this machine in `bind:`, or * for all of them";
    case EMFILE:
    case ENFILE:
        return "raise the limit of open files";
    default:
        return "check `bind:`";
    }
}
