#include "ingest/proxy_protocol.h"

#include <netinet/in.h>
#include <string.h>

#define SIGNATURE_SIZE 12
#define WORD_SIZE 6        /* "PROXY " */
#define TLV_HEAD 3         /* bytes: type, length */
#define TLS_HANDSHAKE 0x16 /* first byte of a TLS connection */

/* Byte 12: version and command; byte 13: family and transport. */
#define LOCAL_2 0x20
#define PROXY_2 0x21
#define UNSPEC 0x00
#define TCP_V4 0x11
#define TCP_V6 0x21
#define UNIX_STREAM 0x31

/* Bytes: two addresses and, except for Unix sockets, two ports. */
#define ADDRESSES_V4 12
#define ADDRESSES_V6 36
#define ADDRESSES_UNIX 216

static const uint8_t signature[SIGNATURE_SIZE] = {'\r', '\n', '\r', '\n', '\0', '\r',
                                                  '\n', 'Q',  'U',  'I',  'T',  '\n'};
static const uint8_t word[WORD_SIZE] = {'P', 'R', 'O', 'X', 'Y', ' '};

const char *fr_proxy_fault_text(enum fr_proxy_fault fault)
{
    static const char *const texts[FR_PROXY_FAULTS] = {
        [FR_PROXY_FAULT_TLS] = "this connection begins with TLS; set `send-proxy-v2` for this "
                               "server in HAProxy, or remove the address from the list",
        [FR_PROXY_FAULT_VERSION_1] = "this header has version 1; write `send-proxy-v2` instead of "
                                     "`send-proxy` in HAProxy",
        [FR_PROXY_FAULT_OTHER_BYTES] = "this connection begins with other bytes; if the peer is no "
                                       "load balancer, remove its address from the list",
        [FR_PROXY_FAULT_VERSION] = "this header has another version than 2; set the load balancer "
                                   "to version 2",
        [FR_PROXY_FAULT_COMMAND] = "this header has an unknown command; set the load balancer to "
                                   "version 2 of the protocol",
        [FR_PROXY_FAULT_TOO_LONG] = "this header is longer than 536 bytes; let the load balancer "
                                    "send fewer TLVs (HAProxy: proxy-v2-options)",
        [FR_PROXY_FAULT_PROTOCOL] = "this header is of another protocol than TCP; check what the "
                                    "load balancer listens for",
        [FR_PROXY_FAULT_TOO_SHORT] = "this header is too short for its addresses; update the load "
                                     "balancer",
        [FR_PROXY_FAULT_TLV] = "this header ends within a TLV; update the load balancer",
    };

    return texts[fault];
}

static bool proxy_matches(const uint8_t *bytes, size_t len, const uint8_t *text, size_t size)
{
    return memcmp(bytes, text, len < size ? len : size) == 0;
}

bool fr_proxy_protocol_begins(const uint8_t *bytes, size_t len)
{
    return (len >= SIGNATURE_SIZE && proxy_matches(bytes, len, signature, SIGNATURE_SIZE)) ||
           (len >= WORD_SIZE && proxy_matches(bytes, len, word, WORD_SIZE));
}

static enum fr_proxy_status proxy_bad(struct fr_proxy_header *header, enum fr_proxy_fault fault)
{
    header->fault = fault;
    return FR_PROXY_BAD;
}

/* Bytes that are not the signature. */
static enum fr_proxy_status proxy_judge_other(const uint8_t *bytes, size_t len,
                                              struct fr_proxy_header *header)
{
    if (bytes[0] == TLS_HANDSHAKE)
        return proxy_bad(header, FR_PROXY_FAULT_TLS);
    if (!proxy_matches(bytes, len, word, WORD_SIZE))
        return proxy_bad(header, FR_PROXY_FAULT_OTHER_BYTES);
    return len < WORD_SIZE ? FR_PROXY_INCOMPLETE : proxy_bad(header, FR_PROXY_FAULT_VERSION_1);
}

/* Whether the lengths of the TLVs fill `len` bytes exactly. */
static bool proxy_check_tlvs(const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        size_t size;

        if (len < TLV_HEAD)
            return false;
        size = TLV_HEAD + ((size_t)bytes[1] << 8 | bytes[2]);
        if (size > len)
            return false;
        bytes += size;
        len -= size;
    }
    return true;
}

static void proxy_read_v4(const uint8_t *bytes, struct fr_proxy_header *header)
{
    struct sockaddr_in source = {.sin_family = AF_INET};

    memcpy(&source.sin_addr, bytes, 4);
    memcpy(&source.sin_port, bytes + 8, 2);
    memcpy(&header->source, &source, sizeof source);
    header->has_source = true;
}

static void proxy_read_v6(const uint8_t *bytes, struct fr_proxy_header *header)
{
    struct sockaddr_in6 source = {.sin6_family = AF_INET6};

    memcpy(&source.sin6_addr, bytes, 16);
    memcpy(&source.sin6_port, bytes + 32, 2);
    memcpy(&header->source, &source, sizeof source);
    header->has_source = true;
}

/* Read the addresses and the TLVs, which are `len` bytes. */
static enum fr_proxy_status proxy_read_addresses(uint8_t family, const uint8_t *bytes, size_t len,
                                                 struct fr_proxy_header *header)
{
    size_t size = family == TCP_V4        ? ADDRESSES_V4
                  : family == TCP_V6      ? ADDRESSES_V6
                  : family == UNIX_STREAM ? ADDRESSES_UNIX
                                          : 0;

    if (family == UNSPEC) /* the form of what follows is not specified */
        return FR_PROXY_DONE;
    if (size == 0)
        return proxy_bad(header, FR_PROXY_FAULT_PROTOCOL);
    if (len < size)
        return proxy_bad(header, FR_PROXY_FAULT_TOO_SHORT);
    if (!proxy_check_tlvs(bytes + size, len - size))
        return proxy_bad(header, FR_PROXY_FAULT_TLV);
    if (family == TCP_V4)
        proxy_read_v4(bytes, header);
    else if (family == TCP_V6)
        proxy_read_v6(bytes, header);
    return FR_PROXY_DONE;
}

enum fr_proxy_status fr_proxy_protocol_parse(const uint8_t *bytes, size_t len,
                                             struct fr_proxy_header *header)
{
    *header = (struct fr_proxy_header){.size = FR_PROXY_HEADER_MIN};
    if (len == 0)
        return FR_PROXY_INCOMPLETE;
    if (!proxy_matches(bytes, len, signature, SIGNATURE_SIZE))
        return proxy_judge_other(bytes, len, header);
    if (len > SIGNATURE_SIZE && bytes[12] >> 4 != 2)
        return proxy_bad(header, FR_PROXY_FAULT_VERSION);
    if (len > SIGNATURE_SIZE && bytes[12] != LOCAL_2 && bytes[12] != PROXY_2)
        return proxy_bad(header, FR_PROXY_FAULT_COMMAND);
    if (len < FR_PROXY_HEADER_MIN)
        return FR_PROXY_INCOMPLETE;
    header->size += (size_t)bytes[14] << 8 | bytes[15];
    if (header->size > FR_PROXY_HEADER_MAX)
        return proxy_bad(header, FR_PROXY_FAULT_TOO_LONG);
    if (len < header->size)
        return FR_PROXY_INCOMPLETE;
    if (bytes[12] == LOCAL_2) /* what follows has no meaning */
        return FR_PROXY_DONE;
    return proxy_read_addresses(bytes[13], bytes + FR_PROXY_HEADER_MIN,
                                header->size - FR_PROXY_HEADER_MIN, header);
}
