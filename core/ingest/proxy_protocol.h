/*
 * The header of the PROXY protocol, version 2, which a load balancer sends before the bytes of its
 * client: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, section 2.2.
 *
 * Pure functions over bytes. Any thread.
 */
#ifndef FR_PROXY_PROTOCOL_H
#define FR_PROXY_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define FR_PROXY_HEADER_MIN 16 /* bytes: signature, version and command, family, length */
/* Bytes of a header at most: what each IPv4 path carries in one segment (576 less 40). HAProxy's
 * header of IPv6 with authority, unique id and checksum has up to 448. */
#define FR_PROXY_HEADER_MAX 536

enum fr_proxy_status {
    FR_PROXY_INCOMPLETE, /* `size` bytes are needed at least */
    FR_PROXY_DONE,       /* a header of `size` bytes */
    FR_PROXY_BAD,        /* `fault` */
};

enum fr_proxy_fault {
    FR_PROXY_FAULT_TLS, /* no header: the first byte is that of TLS */
    FR_PROXY_FAULT_VERSION_1,
    FR_PROXY_FAULT_OTHER_BYTES,
    FR_PROXY_FAULT_VERSION,
    FR_PROXY_FAULT_COMMAND,
    FR_PROXY_FAULT_TOO_LONG,
    FR_PROXY_FAULT_PROTOCOL,
    FR_PROXY_FAULT_TOO_SHORT,
    FR_PROXY_FAULT_TLV,
    FR_PROXY_FAULTS,
};

struct fr_proxy_header {
    size_t size;
    bool has_source; /* false: a health check (LOCAL), or a client without an IP address */
    struct sockaddr_storage source;
    enum fr_proxy_fault fault;
};

/* Parse the header at the begin of `len` bytes. Bytes that cannot become a header are BAD as early
 * as possible. TLVs are checked for their lengths and skipped; the checksum among them is not
 * verified, because TCP has its own. */
enum fr_proxy_status fr_proxy_protocol_parse(const uint8_t *bytes, size_t len,
                                             struct fr_proxy_header *header);

/* The fault and its remedy, for the log; a static text. */
const char *fr_proxy_fault_text(enum fr_proxy_fault fault);

/* Whether bytes begin with the signature of version 2 or the word of version 1. */
bool fr_proxy_protocol_begins(const uint8_t *bytes, size_t len);

#endif
