#include "ingest/websocket.h"

#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "util/utf8.h"

/* The assembly buffer keeps up to this many bytes of memory for the next message. */
#define KEEP_CAPACITY 4096

/* A message up to this many times the limit is skipped, so that the messages after it are not lost.
 * No peer sends a longer one by mistake. */
#define SKIP_FACTOR 16

struct fr_ws_parser {
    wslay_frame_context_ptr frames;
    const uint8_t *in;
    size_t in_len;
    struct fr_ws_parser *next;
};

struct fr_ws_pool {
    struct fr_ws_parser *spare;
};

static ssize_t websocket_feed_parser(uint8_t *to, size_t len, int flags, void *user_data)
{
    struct fr_ws_parser *parser = user_data;
    size_t n = parser->in_len < len ? parser->in_len : len;

    (void)flags;
    if (n == 0)
        return -1;
    memcpy(to, parser->in, n);
    parser->in += n;
    parser->in_len -= n;
    return (ssize_t)n;
}

static struct fr_ws_parser *websocket_borrow(struct fr_ws_pool *pool)
{
    static const struct wslay_frame_callbacks callbacks = {NULL, websocket_feed_parser, NULL};
    struct fr_ws_parser *parser = pool->spare;

    if (parser != NULL) {
        pool->spare = parser->next;
        return parser;
    }
    parser = calloc(1, sizeof *parser);
    if (parser != NULL && wslay_frame_context_init(&parser->frames, &callbacks, parser) != 0) {
        free(parser);
        parser = NULL;
    }
    return parser;
}

static void websocket_return(struct fr_ws_pool *pool, struct fr_ws_parser *parser)
{
    parser->next = pool->spare;
    pool->spare = parser;
}

static void websocket_discard(struct fr_ws_parser *parser)
{
    wslay_frame_context_free(parser->frames);
    free(parser);
}

struct fr_ws_pool *fr_ws_pool_new(void)
{
    return calloc(1, sizeof(struct fr_ws_pool));
}

void fr_ws_pool_free(struct fr_ws_pool *pool)
{
    while (pool != NULL && pool->spare != NULL) {
        struct fr_ws_parser *parser = pool->spare;

        pool->spare = parser->next;
        websocket_discard(parser);
    }
    free(pool);
}

bool fr_ws_in_message(const struct fr_ws *ws)
{
    return ws->in_frame || ws->opcode != 0 || ws->parser != NULL;
}

/* The codes that RFC 6455 allows in a frame, with the registered 1012 and 1013: 1004 to 1006 and 1015
 * are reserved, 1016 to 2999 are not assigned. 1014 (bad gateway) is for proxies; Tesla's server
 * refuses it, too. */
static bool websocket_code_allowed(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1013) ||
           (code >= 3000 && code <= 4999);
}

int fr_ws_check_close(const uint8_t *payload, size_t len)
{
    size_t n;

    if (len == 0)
        return 0;
    if (len == 1 || !websocket_code_allowed((unsigned)payload[0] << 8 | payload[1]))
        return FR_WS_PROTOCOL_ERROR;
    for (size_t at = 2; at < len; at += n) {
        n = fr_utf8_length(payload + at, len - at);
        if (n == 0)
            return FR_WS_INVALID_DATA;
    }
    return 0;
}

void fr_ws_end(struct fr_ws *ws)
{
    /* A parser in the middle of a frame cannot be reused for another connection. */
    if (ws->parser != NULL)
        websocket_discard(ws->parser);
    ws->parser = NULL;
    fr_buffer_free(&ws->message);
}

/* The size of a frame's header in bytes; wslay accepts only the shortest form of a length. */
static uint64_t websocket_header_size(const struct wslay_frame_iocb *piece)
{
    return 2u +
           (piece->payload_length > 65535 ? 8u
            : piece->payload_length > 125 ? 2u
                                          : 0u) +
           (piece->mask ? 4u : 0u);
}

/* Check the first piece of a frame and start the frame. Returns 0 or a close code. */
static int websocket_begin_frame(struct fr_ws *ws, const struct wslay_frame_iocb *piece,
                                 bool masked, size_t max)
{
    bool control = (piece->opcode & 8) != 0;

    if ((piece->mask != 0) != masked || piece->rsv != 0)
        return FR_WS_PROTOCOL_ERROR;
    if (control) {
        if (piece->opcode > FR_WS_PONG || !piece->fin || piece->payload_length > 125)
            return FR_WS_PROTOCOL_ERROR;
    } else {
        if (piece->opcode > FR_WS_BINARY ||
            (piece->opcode == FR_WS_CONTINUATION) != (ws->opcode != 0))
            return FR_WS_PROTOCOL_ERROR;
        if (piece->payload_length > max * SKIP_FACTOR)
            return FR_WS_TOO_BIG;
        if (piece->payload_length > max || ws->message.len > max - piece->payload_length)
            ws->skipping = true;
        if (piece->opcode != FR_WS_CONTINUATION)
            ws->opcode = piece->opcode;
    }
    ws->in_frame = true;
    ws->frame_left = piece->payload_length;
    ws->frame_opcode = piece->opcode;
    ws->frame_final = piece->fin != 0;
    return 0;
}

/* Report a complete control frame, or a complete message at its final frame. `message_len` is the
 * length of the incomplete message in ws->message: the bytes of a control frame that arrived in pieces stand
 * after it. */
static int websocket_end_frame(struct fr_ws *ws, const struct wslay_frame_iocb *piece,
                               size_t message_len, fr_ws_message_fn *message, void *ctx)
{
    bool control = (ws->frame_opcode & 8) != 0;
    const uint8_t *bytes = piece->data;
    size_t len = piece->data_length, start = control ? message_len : 0;
    enum fr_ws_opcode opcode = control ? ws->frame_opcode : ws->opcode;
    int stop;

    ws->in_frame = false;
    if (!control && !ws->frame_final)
        return 0;
    if (!control && ws->skipping) {
        ws->skipping = false;
        opcode = FR_WS_OVERSIZED;
        len = 0;
        fr_buffer_free(&ws->message);
    }
    if (ws->message.len > start) {
        bytes = ws->message.bytes + start;
        len = ws->message.len - start;
    }
    stop = message(ctx, opcode, bytes, len);
    ws->message.len = start;
    if (!control) {
        ws->opcode = 0;
        if (ws->message.capacity > KEEP_CAPACITY)
            fr_buffer_free(&ws->message);
    }
    return stop ? -1 : 0;
}

static int websocket_read_piece(struct fr_ws *ws, const struct wslay_frame_iocb *piece, bool masked,
                                size_t max, fr_ws_message_fn *message, void *ctx)
{
    bool first = !ws->in_frame, last;
    int code;

    if (first) {
        ws->unread -= websocket_header_size(piece);
        code = websocket_begin_frame(ws, piece, masked, max);
        if (code != 0)
            return code;
    }
    if (piece->data_length > ws->frame_left)
        return FR_WS_PROTOCOL_ERROR;
    ws->frame_left -= piece->data_length;
    last = ws->frame_left == 0;
    /* The usual message is one piece of one frame and is reported without a copy. */
    if (ws->skipping && !(ws->frame_opcode & 8))
        fr_buffer_free(&ws->message);
    else if (!(first && last &&
               ((ws->frame_opcode & 8) || (ws->frame_final && ws->message.len == 0)))) {
        fr_buffer_append(&ws->message, piece->data, piece->data_length);
        if (ws->message.failed)
            return FR_WS_TRY_LATER;
    }
    if (!last)
        return 0;
    if (ws->frame_opcode & 8) {
        size_t message_len = ws->message.len;

        if (!first && message_len >= piece->payload_length)
            message_len -= (size_t)piece->payload_length;
        else if (!first)
            message_len = 0;
        return websocket_end_frame(ws, piece, message_len, message, ctx);
    }
    return websocket_end_frame(ws, piece, 0, message, ctx);
}

int fr_ws_feed(struct fr_ws *ws, struct fr_ws_pool *pool, const uint8_t *bytes, size_t len,
               bool masked, size_t max, fr_ws_message_fn *message, void *ctx)
{
    struct wslay_frame_iocb piece;
    int code;

    if (ws->parser == NULL)
        ws->parser = websocket_borrow(pool);
    if (ws->parser == NULL)
        return FR_WS_TRY_LATER;
    ws->parser->in = bytes;
    ws->parser->in_len = len;
    ws->unread += len;
    for (;;) {
        ssize_t n;

        memset(&piece, 0, sizeof piece);
        n = wslay_frame_recv(ws->parser->frames, &piece);
        if (n == WSLAY_ERR_WANT_READ || n == WSLAY_ERR_INVALID_CALLBACK) {
            if (ws->parser->in_len == 0)
                break;
            continue;
        }
        if (n < 0)
            return FR_WS_PROTOCOL_ERROR;
        ws->unread -= piece.data_length;
        code = websocket_read_piece(ws, &piece, masked, max, message, ctx);
        if (code != 0)
            return code;
    }
    if (!ws->in_frame && ws->unread == 0) {
        websocket_return(pool, ws->parser);
        ws->parser = NULL;
    }
    return 0;
}

static void websocket_write_header(struct fr_buffer *out, enum fr_ws_opcode opcode, size_t len,
                                   uint8_t mask)
{
    uint8_t head[10] = {(uint8_t)(0x80 | opcode)};
    size_t size = 2;

    if (len < 126)
        head[1] = (uint8_t)len;
    else if (len < 65536) {
        head[1] = 126;
        head[2] = (uint8_t)(len >> 8);
        head[3] = (uint8_t)len;
        size = 4;
    } else {
        head[1] = 127;
        for (size_t i = 0; i < 8; i++)
            head[2 + i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
        size = 10;
    }
    head[1] |= mask;
    fr_buffer_append(out, head, size);
}

void fr_ws_write(struct fr_buffer *out, enum fr_ws_opcode opcode, const void *bytes, size_t len)
{
    websocket_write_header(out, opcode, len, 0);
    fr_buffer_append(out, bytes, len);
}

void fr_ws_write_masked(struct fr_buffer *out, enum fr_ws_opcode opcode, const void *bytes,
                        size_t len, uint32_t mask)
{
    const uint8_t *from = bytes;
    uint8_t key[4], *to;

    memcpy(key, &mask, 4);
    websocket_write_header(out, opcode, len, 0x80);
    fr_buffer_append(out, key, sizeof key);
    to = fr_buffer_reserve(out, len);
    if (to == NULL)
        return;
    for (size_t i = 0; i < len; i++)
        to[i] = from[i] ^ key[i & 3];
    out->len += len;
}

void fr_ws_write_close(struct fr_buffer *out, enum fr_ws_code code)
{
    uint8_t bytes[2] = {(uint8_t)(code >> 8), (uint8_t)code};

    fr_ws_write(out, FR_WS_CLOSE, bytes, sizeof bytes);
}
