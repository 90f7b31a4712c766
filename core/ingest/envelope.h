/*
 * Reader and writer of the FlatBuffers tables that wrap the messages of vehicles and servers.
 *
 * Every offset is checked against the buffer before it is used, and nothing is assumed about
 * alignment. The reader follows two tables at most, so it ends for every input. The schema is that
 * of Tesla's fleet-telemetry server, by number of the field:
 *
 *   FlatbuffersEnvelope: 0 txid, 1 topic, 2 kind of message, 3 message, 4 message_id
 *   FlatbuffersStream:   0 created_at (u32, s), 1 sender_id, 2 payload, 3 device_type,
 *                        4 device_id, 5 delivered_at_epoch_ms (u64)
 *   FlatbuffersStreamAck: no fields
 *
 * All functions may be called on any thread.
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

/* Bytes in a buffer of the caller; absent vectors are empty. */
struct fr_span {
    const uint8_t *bytes;
    size_t len;
};

struct fr_envelope {
    struct fr_span txid;
    struct fr_span topic;
    struct fr_span message_id;
    uint8_t kind;     /* enum fr_envelope_kind, or an unknown number */
    bool has_message; /* the field `message` is present */

    /* set for FR_ENVELOPE_STREAM with a message */
    struct fr_span sender_id;
    struct fr_span payload;
    struct fr_span device_type;
    struct fr_span device_id;
    uint32_t created_at; /* seconds since 1970 */
    uint64_t delivered_at_ms;
};

/* Read an envelope; its spans point into `bytes`. -1: it is malformed. */
int fr_envelope_read(const uint8_t *bytes, size_t len, struct fr_envelope *envelope);

/* Append an acknowledgement of the message with this txid and topic. The buffer's `failed` reports an
 * exhausted memory, here and below. */
void fr_envelope_write_ack(struct fr_buffer *out, struct fr_span txid, struct fr_span topic);

/* Append the reply "incorrect message format" to the message with this txid. */
void fr_envelope_write_error(struct fr_buffer *out, struct fr_span txid);

/* Append a vehicle's message. The kind written is FR_ENVELOPE_STREAM, envelope->kind is not used. */
void fr_envelope_write_stream(struct fr_buffer *out, const struct fr_envelope *envelope);

#endif
