/* The FlatBuffers envelope, and the message it holds all the way to a record. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ingest/envelope.h"
#include "record/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

extern volatile unsigned fuzz_sink;
volatile unsigned fuzz_sink; /* so that reading is not optimised away */

/* Every byte of a span must be readable: the sanitizer sees to that. */
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
    struct fr_envelope e, again;

    if (fr_envelope_read(bytes, len, &e) != 0)
        return 0;
    fuzz_sink = touch(e.txid) + touch(e.topic) + touch(e.message_id) + touch(e.payload) +
                touch(e.sender_id) + touch(e.device_id) + touch(e.device_type);
    if (len > 100000)
        return 0;
    /* What we write of it reads back the same. */
    fr_envelope_write_stream(&out, &e);
    if (fr_envelope_read(out.bytes, out.len, &again) != 0 || again.payload.len != e.payload.len ||
        again.txid.len != e.txid.len || again.created_at != e.created_at)
        abort();
    fr_buffer_free(&out);
    return 0;
}
