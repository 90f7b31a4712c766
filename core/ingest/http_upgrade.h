/*
 * http_upgrade.h - the one HTTP request that opens a vehicle's WebSocket (RFC 6455, 4.2).
 *
 * Extensions and subprotocols are never accepted: cars offer permessage-deflate and hang up
 * when a server takes it.
 */
#ifndef FR_HTTP_UPGRADE_H
#define FR_HTTP_UPGRADE_H

#include <stdbool.h>
#include <stddef.h>

#include "util/buffer.h"

/* A request head longer than this is refused. */
#define FR_HTTP_HEAD_MAX 8192

struct fr_http_request {
    char path[256];
    char key[32]; /* Sec-WebSocket-Key */
    char client_version[64];
    char connection_id[40]; /* X-TXID, "" unless it is a UUID */
    char network_interface[32];
    char user_agent[128];
    bool is_get;
    bool upgrade;    /* Upgrade: websocket, and Connection says so */
    bool version_13; /* Sec-WebSocket-Version */
    int status;      /* 0, or the HTTP status with which to refuse it */
};

/* Whether a head can be complete, or is too long, when `before` of its bytes were known not to be. A
 * head that comes in small pieces is then read once and not for each of them. */
bool fr_http_head_may_end(const char *bytes, size_t len, size_t before);

/* Read a request head. Returns its length with the empty line, 0 when more bytes are needed,
 * and fills *request. A malformed or too long head gets a status and counts as read. */
size_t fr_http_request_read(const char *bytes, size_t len, struct fr_http_request *request);

/* Append the answer that opens the WebSocket. */
void fr_http_accept(struct fr_buffer *out, const char *key);

/* Append an answer that ends the connection, with a line of text for people. */
void fr_http_answer(struct fr_buffer *out, int status, const char *text);

/* The value of Sec-WebSocket-Accept for a key, NUL-terminated (28 characters). */
void fr_http_accept_key(const char *key, char accept[32]);

#endif
