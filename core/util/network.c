#include "util/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define MAPPED_BITS 96 /* of the prefix ::ffff:0:0/96 of IPv4-mapped addresses */

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static bool network_is_mapped(const uint8_t address[16])
{
    return memcmp(address, mapped_prefix, sizeof mapped_prefix) == 0;
}

static bool network_is_v4(const struct fr_network *network)
{
    return network->bits >= MAPPED_BITS && network_is_mapped(network->address);
}

/* Set the bits after the prefix to 0. Returns whether all of them were 0. */
static bool network_clear_host_bits(struct fr_network *network)
{
    bool clear = true;

    for (unsigned i = 0; i < 16; i++) {
        unsigned first = i * 8, kept = network->bits <= first ? 0 : network->bits - first;
        unsigned mask = kept >= 8 ? 0xff : 0xff00U >> kept & 0xff;

        if ((network->address[i] & ~mask) != 0)
            clear = false;
        network->address[i] = (uint8_t)(network->address[i] & mask);
    }
    return clear;
}

/* Parse the number after '/'. -1: it is none from 0 to `max`. */
static int network_parse_bits(const char *text, int max)
{
    size_t digits = strspn(text, "0123456789");
    int bits;

    if (digits == 0 || digits > 3 || text[digits] != '\0')
        return -1;
    bits = atoi(text);
    return bits <= max ? bits : -1;
}

/* Error: bits after the prefix are set. The network is the one that was probably meant. */
static int network_suggest(const char *text, const struct fr_network *network, bool is_v4,
                           struct fr_error *error)
{
    char name[INET6_ADDRSTRLEN] = "";

    inet_ntop(is_v4 ? AF_INET : AF_INET6, network->address + (is_v4 ? 12 : 0), name, sizeof name);
    return fr_error_set(error,
                        "\"%.64s\" has address bits after its prefix; write %s/%d for the network, "
                        "or the address without a prefix",
                        text, name, network->bits - (is_v4 ? MAPPED_BITS : 0));
}

int fr_network_parse(const char *text, struct fr_network *network, struct fr_error *error)
{
    const char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    char address[INET6_ADDRSTRLEN];
    int bits = -1, max = 32;
    bool is_v4;

    memset(network, 0, sizeof *network);
    if (len < sizeof address) {
        memcpy(address, text, len);
        address[len] = '\0';
    } else
        address[0] = '\0';
    is_v4 = inet_pton(AF_INET, address, network->address + 12) == 1;
    if (is_v4)
        memcpy(network->address, mapped_prefix, sizeof mapped_prefix);
    else if (inet_pton(AF_INET6, address, network->address) == 1)
        max = 128;
    else
        return fr_error_set(error,
                            "\"%.64s\" is not an IP address or network, such as 10.0.0.5, "
                            "10.1.0.0/16 or fd00::/8",
                            text);
    bits = slash != NULL ? network_parse_bits(slash + 1, max) : max;
    if (bits < 0)
        return fr_error_set(error, "\"%.64s\": the prefix of an %s network is from 0 to %d", text,
                            is_v4 ? "IPv4" : "IPv6", max);
    network->bits = (uint8_t)(bits + (is_v4 ? MAPPED_BITS : 0));
    return network_clear_host_bits(network) ? 0 : network_suggest(text, network, is_v4, error);
}

/* Write an address as 16 bytes. False: it is neither IPv4 nor IPv6. */
static bool network_map(const struct sockaddr_storage *address, uint8_t bytes[16])
{
    struct sockaddr_in6 v6;
    struct sockaddr_in v4;

    if (address->ss_family == AF_INET) {
        memcpy(&v4, address, sizeof v4);
        memcpy(bytes, mapped_prefix, sizeof mapped_prefix);
        memcpy(bytes + 12, &v4.sin_addr, 4);
    } else if (address->ss_family == AF_INET6) {
        memcpy(&v6, address, sizeof v6);
        memcpy(bytes, &v6.sin6_addr, 16);
    } else
        return false;
    return true;
}

static bool network_has(const struct fr_network *network, const uint8_t bytes[16])
{
    unsigned whole = network->bits / 8, rest = network->bits % 8;

    return memcmp(network->address, bytes, whole) == 0 &&
           (rest == 0 || (network->address[whole] ^ bytes[whole]) >> (8 - rest) == 0);
}

bool fr_networks_contain(const struct fr_network *networks, size_t count,
                         const struct sockaddr_storage *address)
{
    uint8_t bytes[16];
    bool is_v4;

    if (count == 0 || !network_map(address, bytes))
        return false;
    is_v4 = network_is_mapped(bytes);
    for (size_t i = 0; i < count; i++)
        if (network_is_v4(&networks[i]) == is_v4 && network_has(&networks[i], bytes))
            return true;
    return false;
}

bool fr_network_is_everything(const struct fr_network *network)
{
    return network->bits == (network_is_v4(network) ? MAPPED_BITS : 0);
}
