/*
 * websocket.h - WebSocket messages in and frames out (RFC 6455), on wslay's frame parser.
 *
 * wslay parses and unmasks frames; this puts messages together and enforces the protocol. A
 * parser takes 4 kB, so a connection borrows one from its thread's pool only while bytes of
 * it are being read or a frame of it is incomplete. An idle connection holds none.
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
    FR_WS_OVERSIZED = 16, /* not on the wire: a data message over the limit, left out */
};

/* Close codes (RFC 6455, 7.4.1). */
enum fr_ws_code {
    FR_WS_NORMAL = 1000,
    FR_WS_GOING_AWAY = 1001,
    FR_WS_PROTOCOL_ERROR = 1002,
    FR_WS_UNACCEPTABLE = 1003,
    FR_WS_POLICY = 1008,
    FR_WS_TOO_BIG = 1009,
    FR_WS_INTERNAL_ERROR = 1011,
    FR_WS_TRY_LATER = 1013,
};

struct fr_ws_pool;
struct fr_ws_parser;

struct fr_ws {
    struct fr_ws_parser *parser; /* borrowed; NULL between frames */
    struct fr_buffer message;    /* of a message that is not complete yet */
    uint64_t frame_left;         /* bytes to come of the present frame */
    uint64_t unread;             /* bytes the parser has eaten and not told of: part of a head */
    uint8_t opcode;              /* of the message being put together; 0: none */
    uint8_t frame_opcode;
    bool frame_final;
    bool in_frame;
    bool skipping; /* the message is too long: its bytes are dropped */
};

/* What came out of the bytes. Called from fr_ws_feed with the ctx given there; bytes hold
 * for the call. Return non-zero to stop reading (the connection is to be closed). */
typedef int fr_ws_message_fn(void *ctx, enum fr_ws_opcode opcode, const uint8_t *bytes, size_t len);

/* A pool of parsers for one thread. */
struct fr_ws_pool *fr_ws_pool_new(void);
void fr_ws_pool_free(struct fr_ws_pool *pool);

/* Read bytes of a peer. `masked`: whether its frames must be masked (1 for a client's, 0 for a
 * server's). A data message longer than `most` is dropped and told of as FR_WS_OVERSIZED; one
 * far longer is a violation. Data messages and control frames come to `message` in order. Returns 0, or -1 when message() asked to stop, or the close code to
 * answer a violation with. */
int fr_ws_feed(struct fr_ws *ws, struct fr_ws_pool *pool, const uint8_t *bytes, size_t len,
               bool masked, size_t most, fr_ws_message_fn *message, void *ctx);

/* Whether a message or frame has begun and not ended. */
bool fr_ws_in_message(const struct fr_ws *ws);

/* Give back what the connection holds. */
void fr_ws_end(struct fr_ws *ws, struct fr_ws_pool *pool);

/* Append a server's frame (not masked). */
void fr_ws_write(struct fr_buffer *out, enum fr_ws_opcode opcode, const void *bytes, size_t len);

/* Append a client's frame, masked with this key. */
void fr_ws_write_masked(struct fr_buffer *out, enum fr_ws_opcode opcode, const void *bytes,
                        size_t len, uint32_t mask);

/* Append a server's close frame. */
void fr_ws_write_close(struct fr_buffer *out, enum fr_ws_code code);

#endif
