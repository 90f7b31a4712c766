/*
 * WebSocket messages in and frames out (RFC 6455), on wslay's frame parser.
 *
 * wslay parses and unmasks frames; this module assembles messages and enforces the protocol. A
 * parser takes 4 kB, so a connection borrows one from its thread's pool only while bytes are read or
 * a frame is incomplete. An idle connection has none. A pool and its connections belong to one
 * thread.
 */
#ifndef FR_WEBSOCKET_H
#define FR_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buffer.h"

enum fr_ws_opcode {
    FR_WS_CONTINUATION = 0,
    FR_WS_TEXT = 1,
    FR_WS_BINARY = 2,
    FR_WS_CLOSE = 8,
    FR_WS_PING = 9,
    FR_WS_PONG = 10,
    FR_WS_OVERSIZED = 16, /* not on the wire: a data message over the limit, skipped */
};

/* Close codes (RFC 6455, 7.4.1). */
enum fr_ws_code {
    FR_WS_NORMAL = 1000,
    FR_WS_GOING_AWAY = 1001,
    FR_WS_PROTOCOL_ERROR = 1002,
    FR_WS_UNACCEPTABLE = 1003,
    FR_WS_INVALID_DATA = 1007,
    FR_WS_POLICY = 1008,
    FR_WS_TOO_BIG = 1009,
    FR_WS_INTERNAL_ERROR = 1011,
    FR_WS_TRY_LATER = 1013,
};

struct fr_ws_pool;
struct fr_ws_parser;

/* The receiving state of a connection; all zero is the initial state. */
struct fr_ws {
    struct fr_ws_parser *parser; /* borrowed; NULL between frames */
    struct fr_buffer message;    /* the incomplete message */
    uint64_t frame_left;         /* payload bytes to come of the current frame */
    uint64_t unread;             /* bytes consumed by wslay but not yet reported (a partial frame
                                  * header) */
    uint8_t opcode;              /* of the incomplete message; 0: none */
    uint8_t frame_opcode;        /* of the current frame, like frame_final */
    bool frame_final;
    bool in_frame;
    bool skipping; /* the message is too long: its bytes are dropped */
};

/* Called by fr_ws_feed() for each message and control frame, in order. `bytes` are valid during the
 * call. A result other than 0 stops the reading: the connection is to be closed. */
typedef int fr_ws_message_fn(void *ctx, enum fr_ws_opcode opcode, const uint8_t *bytes, size_t len);

/* Create an empty pool of parsers. NULL: out of memory. */
struct fr_ws_pool *fr_ws_pool_new(void);

/* Free the pool and the parsers in it; NULL is allowed. */
void fr_ws_pool_free(struct fr_ws_pool *pool);

/* Read bytes of a peer. `masked`: whether its frames must be masked (true for a client's). A data
 * message longer than `max` bytes is skipped and reported as FR_WS_OVERSIZED; one longer than 16
 * times that is a violation. Returns 0; -1 when `message` stopped the reading; or the close code
 * (> 0) to answer a violation with. */
int fr_ws_feed(struct fr_ws *ws, struct fr_ws_pool *pool, const uint8_t *bytes, size_t len,
               bool masked, size_t max, fr_ws_message_fn *message, void *ctx);

/* Whether a message or frame has begun and is incomplete. */
bool fr_ws_in_message(const struct fr_ws *ws);

/* Check the payload of a close frame. Returns 0 if the answer repeats its code (none if it is
 * empty), else the close code to answer the violation with: FR_WS_PROTOCOL_ERROR for one byte or a
 * code that must not be sent (RFC 6455, 7.4), FR_WS_INVALID_DATA for a reason that is not UTF-8. */
int fr_ws_check_close(const uint8_t *payload, size_t len);

/* Free what the connection has. */
void fr_ws_end(struct fr_ws *ws);

/* Append a server's frame (not masked). The buffer's `failed` reports an exhausted memory, here and
 * below. */
void fr_ws_write(struct fr_buffer *out, enum fr_ws_opcode opcode, const void *bytes, size_t len);

/* Append a client's frame, masked with this key. */
void fr_ws_write_masked(struct fr_buffer *out, enum fr_ws_opcode opcode, const void *bytes,
                        size_t len, uint32_t mask);

/* Append a server's close frame. */
void fr_ws_write_close(struct fr_buffer *out, enum fr_ws_code code);

#endif
