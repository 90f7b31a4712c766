/*
 * Requests in Redis's protocol (RESP 2): an array of texts, each with its length before it, so that
 * no byte of a payload or name needs an escape.
 *
 * The functions append to a text buffer; without memory, its `failed` is set. Any thread.
 */
#ifndef FR_REDIS_COMMAND_H
#define FR_REDIS_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "fleetroute/plugin.h"
#include "text_buffer.h"

/* Begin a request of `count` texts; that many calls of redis_command_bytes() or _text() follow. */
void redis_command_begin(struct fr_text_buffer *out, size_t count);
void redis_command_bytes(struct fr_text_buffer *out, const void *bytes, size_t len);
void redis_command_text(struct fr_text_buffer *out, const char *text);

/* PUBLISH, as Tesla's server sends it. */
void redis_command_publish(struct fr_text_buffer *out, const char *channel, const void *payload,
                           size_t len);

/*
 * XADD of one entry with the fields vin, type, txid, received_at, created_at (milliseconds since
 * 1970; absent if unknown), resend and repeated ("1"; absent if they do not apply), name (of a
 * field's value), and payload as the last. The stream is trimmed to about `max_length` entries; 0: it is not.
 */
void redis_command_xadd(struct fr_text_buffer *out, const char *stream, int64_t max_length,
                        const struct fr_delivery *delivery, const void *payload, size_t len);

#endif
