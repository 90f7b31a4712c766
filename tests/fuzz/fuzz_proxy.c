/* The header of the PROXY protocol: in one piece, and read in pieces as a worker does. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/proxy_protocol.h"
#include "util/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* Parse a copy of exactly `len` bytes, so that a sanitizer finds each read after them. */
static enum fr_proxy_status parse(const uint8_t *bytes, size_t len, struct fr_proxy_header *header)
{
    uint8_t *copy = len != 0 ? malloc(len) : NULL;
    enum fr_proxy_status status;

    if (len != 0)
        memcpy(copy, bytes, len);
    status = fr_proxy_protocol_parse(copy, len, header);
    free(copy);
    return status;
}

static void check_header(const struct fr_proxy_header *header, size_t len)
{
    char text[FR_ADDRESS_TEXT_SIZE];

    if (header->size < FR_PROXY_HEADER_MIN || header->size > FR_PROXY_HEADER_MAX ||
        header->size > len)
        abort();
    if (!header->has_source)
        return;
    if (header->source.ss_family != AF_INET && header->source.ss_family != AF_INET6)
        abort();
    fr_address_text(&header->source, text);
    if (strchr(text, ':') == NULL)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct fr_proxy_header whole, part;
    enum fr_proxy_status status = parse(bytes, len, &whole), earlier;
    size_t size = 0;

    if (status == FR_PROXY_DONE)
        check_header(&whole, len);
    if (status == FR_PROXY_BAD && fr_proxy_fault_text(whole.fault) == NULL)
        abort();
    if (status == FR_PROXY_INCOMPLETE && whole.size <= len)
        abort();
    /* A shorter piece has the same result, or asks for more bytes. */
    do {
        earlier = parse(bytes, size, &part);
        if (earlier != FR_PROXY_INCOMPLETE) {
            if (earlier != status || part.size != whole.size)
                abort();
            if (status == FR_PROXY_DONE &&
                (part.has_source != whole.has_source || size != part.size))
                abort();
            return 0;
        }
        if (part.size <= size || part.size > FR_PROXY_HEADER_MAX)
            abort();
    } while (size++ < len);
    if (status != FR_PROXY_INCOMPLETE)
        abort();
    return 0;
}
