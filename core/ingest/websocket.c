#include "ingest/websocket.h"

#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

/* A message of more than one piece keeps its memory up to this size, for the next one. */
#define KEEP_ROOM 4096

/* A message up to this many times the limit is read over, so that what follows it is not lost;
 * nobody sends more by mistake. */
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

static ssize_t feed_parser(uint8_t *to, size_t len, int flags, void *user_data)
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

static struct fr_ws_parser *borrow(struct fr_ws_pool *pool)
{
    static const struct wslay_frame_callbacks callbacks = {NULL, feed_parser, NULL};
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

static void give_back(struct fr_ws_pool *pool, struct fr_ws_parser *parser)
{
    parser->next = pool->spare;
    pool->spare = parser;
}

static void discard(struct fr_ws_parser *parser)
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
        discard(parser);
    }
    free(pool);
}

bool fr_ws_in_message(const struct fr_ws *ws)
{
    return ws->in_frame || ws->opcode != 0 || ws->parser != NULL;
}

void fr_ws_end(struct fr_ws *ws, struct fr_ws_pool *pool)
{
    (void)pool;
    /* A parser that stopped in the middle of a frame is of no use to another connection. */
    if (ws->parser != NULL)
        discard(ws->parser);
    ws->parser = NULL;
    fr_buffer_free(&ws->message);
}

/* Bytes of a frame's head; wslay takes only the shortest form of a length. */
static uint64_t head_size(const struct wslay_frame_iocb *piece)
{
    return 2u +
           (piece->payload_length > 65535 ? 8u
            : piece->payload_length > 125 ? 2u
                                          : 0u) +
           (piece->mask ? 4u : 0u);
}

/* The first piece of a frame: is it allowed here? 0 or a close code. */
static int begin_frame(struct fr_ws *ws, const struct wslay_frame_iocb *piece, bool masked,
                       size_t most)
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
        if (piece->payload_length > most * SKIP_FACTOR)
            return FR_WS_TOO_BIG;
        if (piece->payload_length > most || ws->message.len > most - piece->payload_length)
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

/* A control frame inside a fragmented message must not be mixed with it: what wslay hands over
 * in pieces is then put behind the message's bytes and taken off again. */
static int end_frame(struct fr_ws *ws, const struct wslay_frame_iocb *piece, size_t held,
                     fr_ws_message_fn *message, void *ctx)
{
    bool control = (ws->frame_opcode & 8) != 0;
    const uint8_t *bytes = piece->data;
    size_t len = piece->data_length, start = control ? held : 0;
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
        if (ws->message.room > KEEP_ROOM)
            fr_buffer_free(&ws->message);
    }
    return stop ? -1 : 0;
}

static int read_piece(struct fr_ws *ws, const struct wslay_frame_iocb *piece, bool masked,
                      size_t most, fr_ws_message_fn *message, void *ctx)
{
    bool first = !ws->in_frame, last;
    int code;

    if (first) {
        ws->unread -= head_size(piece);
        code = begin_frame(ws, piece, masked, most);
        if (code != 0)
            return code;
    }
    if (piece->data_length > ws->frame_left)
        return FR_WS_PROTOCOL_ERROR;
    ws->frame_left -= piece->data_length;
    last = ws->frame_left == 0;
    /* The usual message is one piece of one frame and is read where it stands. */
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
        size_t got = first ? 0 : ws->message.len;
        size_t held = first                          ? ws->message.len
                      : got >= piece->payload_length ? got - (size_t)piece->payload_length
                                                     : 0;
        return end_frame(ws, piece, held, message, ctx);
    }
    return end_frame(ws, piece, 0, message, ctx);
}

int fr_ws_feed(struct fr_ws *ws, struct fr_ws_pool *pool, const uint8_t *bytes, size_t len,
               bool masked, size_t most, fr_ws_message_fn *message, void *ctx)
{
    struct wslay_frame_iocb piece;
    int code;

    if (ws->parser == NULL)
        ws->parser = borrow(pool);
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
        code = read_piece(ws, &piece, masked, most, message, ctx);
        if (code != 0)
            return code;
    }
    if (!ws->in_frame && ws->unread == 0) {
        give_back(pool, ws->parser);
        ws->parser = NULL;
    }
    return 0;
}

static void write_head(struct fr_buffer *out, enum fr_ws_opcode opcode, size_t len, uint8_t mask)
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
    write_head(out, opcode, len, 0);
    fr_buffer_append(out, bytes, len);
}

void fr_ws_write_masked(struct fr_buffer *out, enum fr_ws_opcode opcode, const void *bytes,
                        size_t len, uint32_t mask)
{
    const uint8_t *from = bytes;
    uint8_t key[4], *to;

    memcpy(key, &mask, 4);
    write_head(out, opcode, len, 0x80);
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
