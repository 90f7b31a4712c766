/*
 * One binary message of a vehicle: envelope, checks, record, dispatch, and the reply's bytes.
 *
 * fr_message_receive() returns a verdict. The caller acts on the verdict: it writes the reply and
 * counts what is unacknowledged. All functions are called on the worker's thread.
 */
#ifndef FR_MESSAGE_H
#define FR_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "ingest/envelope.h"
#include "ingest/ingest_state.h"

enum fr_message_verdict {
    FR_MESSAGE_ACKNOWLEDGE_NOW,   /* no sink's confirmation is needed */
    FR_MESSAGE_ACKNOWLEDGE_LATER, /* when the sinks of the route have confirmed the record */
    FR_MESSAGE_REJECT,            /* counted and logged; the vehicle gets the error reply */
};

/* What a reply to a message repeats. */
struct fr_message_id {
    struct fr_span txid, topic;
};

/* Receive a message of a connection with an open WebSocket. *id points into `bytes`; it is empty as
 * far as the message is malformed. */
enum fr_message_verdict fr_message_receive(struct fr_connection *connection, const uint8_t *bytes,
                                           size_t len, struct fr_message_id *id);

/* Count and log a message that was skipped because it is longer than limits.message_size. The
 * verdict is FR_MESSAGE_REJECT with an empty id. */
void fr_message_reject_oversized(const struct fr_connection *connection);

/* The number of envelopes of this kind that hold no stream message. Any thread. */
uint64_t fr_message_unknown(uint8_t kind);

/* Append an acknowledgement, as a WebSocket frame, to connection->replies. Out of memory sets
 * replies.failed. */
void fr_message_write_ack(struct fr_connection *connection, struct fr_message_id id);

/* Append the error reply, as a WebSocket frame, to connection->replies. Out of memory sets
 * replies.failed. */
void fr_message_write_error(struct fr_connection *connection, struct fr_span txid);

/* Append the reply to a message whose record the sinks have confirmed or refused. */
void fr_message_write_completion(struct fr_connection *connection, const struct fr_record *record);

#endif
