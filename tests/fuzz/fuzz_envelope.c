/* The parser and the writer of the FlatBuffers envelope. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ingest/envelope.h"
#include "record/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

extern volatile unsigned fuzz_sink;
volatile unsigned fuzz_sink; /* prevents the compiler from removing the reads */

/* Read every byte of a span, so that a sanitizer detects an invalid span. */
static unsigned touch(struct fr_span span)
{
    unsigned sum = 0;

    for (size_t i = 0; i < span.len; i++)
        sum += span.bytes[i];
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct fr_buffer out = {0};
    struct fr_envelope e, read_back;

    if (fr_envelope_read(bytes, len, &e) != 0)
        return 0;
    fuzz_sink = touch(e.txid) + touch(e.topic) + touch(e.message_id) + touch(e.payload) +
                touch(e.sender_id) + touch(e.device_id) + touch(e.device_type);
    if (len > 100000)
        return 0;
    /* The written envelope must read back unchanged. */
    fr_envelope_write_stream(&out, &e);
    if (fr_envelope_read(out.bytes, out.len, &read_back) != 0 ||
        read_back.payload.len != e.payload.len || read_back.txid.len != e.txid.len ||
        read_back.created_at != e.created_at)
        abort();
    fr_buffer_free(&out);
    return 0;
}
