#include "ingest/proxy_header.h"

#include "ingest/half_open.h"
#include "ingest/listener.h"
#include "ingest/proxy_protocol.h"
#include "util/address.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"

static enum fr_handshake_status proxy_header_refuse(const struct fr_connection *c,
                                                    enum fr_proxy_fault fault)
{
    static struct fr_log_limit limits[FR_PROXY_FAULTS];

    fr_count(FR_COUNT_PROXY_REFUSED);
    fr_log_limited(&limits[fault], FR_LOG_WARNING,
                   "%s: closed: its address is in listen.proxy_protocol, so a PROXY header of "
                   "version 2 must come first, and %s",
                   c->peer, fr_proxy_fault_text(fault));
    return FR_HANDSHAKE_BROKEN;
}

/* Move bytes from tls.in to `head` until it has `size`, or tls.in is empty. */
static void proxy_header_gather(struct fr_connection *c, size_t size)
{
    size_t missing = size - c->head.len;
    size_t n = missing < c->tls.in_len ? missing : c->tls.in_len;

    fr_buffer_append(&c->head, c->tls.in, n);
    c->tls.in += n;
    c->tls.in_len -= n;
}

/* From now on the connection counts for the address of the header. False: this address has too many
 * half-open connections. */
static bool proxy_header_set_source(struct fr_connection *c, const struct sockaddr_storage *source)
{
    c->source = fr_address_source(source);
    fr_address_text(source, c->peer);
    fr_half_open_set_source(&c->worker->half_open, c, c->source);
    return fr_listener_admit_source(c->worker, c->source, c->peer, fr_monotonic_ms(), c);
}

/* A complete header. */
static enum fr_handshake_status proxy_header_apply(struct fr_connection *c,
                                                   const struct fr_proxy_header *header)
{
    fr_buffer_free(&c->head);
    fr_count(FR_COUNT_PROXY_HEADERS);
    c->state = FR_CONNECTION_HANDSHAKE;
    if (header->has_source && !proxy_header_set_source(c, &header->source))
        return FR_HANDSHAKE_BROKEN;
    return c->tls.in_len != 0 ? FR_HANDSHAKE_DONE : FR_HANDSHAKE_INCOMPLETE;
}

enum fr_handshake_status fr_proxy_header_receive(struct fr_connection *c)
{
    struct fr_proxy_header header;
    enum fr_proxy_status status;

    while ((status = fr_proxy_protocol_parse(c->head.bytes, c->head.len, &header)) ==
           FR_PROXY_INCOMPLETE) {
        if (c->tls.in_len == 0)
            return FR_HANDSHAKE_INCOMPLETE;
        proxy_header_gather(c, header.size);
        if (c->head.failed)
            return FR_HANDSHAKE_BROKEN;
    }
    if (status == FR_PROXY_BAD)
        return proxy_header_refuse(c, header.fault);
    return proxy_header_apply(c, &header);
}
