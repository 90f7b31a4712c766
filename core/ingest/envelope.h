/*
 * envelope.h - the FlatBuffers tables in which vehicles and servers wrap their messages.
 *
 * Every offset is checked against the buffer before it is followed and nothing is assumed of
 * alignment; two tables is the deepest there is, so no input can make the reader loop.
 *
 *   FlatbuffersEnvelope: 0 txid, 1 topic, 2 kind of message, 3 message, 4 message_id
 *   FlatbuffersStream:   0 created_at (u32, s), 1 sender_id, 2 payload, 3 device_type,
 *                        4 device_id, 5 delivered_at_epoch_ms (u64)
 *   FlatbuffersStreamAck: no fields
 */
#ifndef FR_ENVELOPE_H
#define FR_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buffer.h"

enum fr_envelope_kind {
    FR_ENVELOPE_NONE = 0,
    FR_ENVELOPE_STREAM = 4,
    FR_ENVELOPE_ACK = 5,
};

/* Bytes in somebody else's buffer; absent vectors are empty. */
struct fr_span {
    const uint8_t *bytes;
    size_t len;
};

struct fr_envelope {
    struct fr_span txid;
    struct fr_span topic;
    struct fr_span message_id;
    uint8_t kind;     /* enum fr_envelope_kind, or a number we do not know */
    bool has_message; /* the message's offset is there */

    /* FR_ENVELOPE_STREAM with a message */
    struct fr_span sender_id;
    struct fr_span payload;
    struct fr_span device_type;
    struct fr_span device_id;
    uint32_t created_at;
    uint64_t delivered_at_ms;
};

/* Read an envelope; its spans point into `bytes`. Returns -1 when it is malformed. */
int fr_envelope_read(const uint8_t *bytes, size_t len, struct fr_envelope *envelope);

/* Append an acknowledgement of the message with this txid and topic. */
void fr_envelope_write_ack(struct fr_buffer *out, struct fr_span txid, struct fr_span topic);

/* Append the reply that says "incorrect message format" to the message with this txid. */
void fr_envelope_write_error(struct fr_buffer *out, struct fr_span txid);

/* Append a vehicle's message: kind is FR_ENVELOPE_STREAM whatever the struct says. */
void fr_envelope_write_stream(struct fr_buffer *out, const struct fr_envelope *envelope);

#endif
