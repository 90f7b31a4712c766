/*
 * The parser of the HTTP request that opens a vehicle's WebSocket (RFC 9112; RFC 6455, 4.2.1).
 *
 * It accepts and refuses what Go's net/http, on which Tesla's server stands, accepts and refuses. All
 * functions may be called on any thread.
 */
#ifndef FR_HTTP_REQUEST_H
#define FR_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "ingest/http_head.h"

/* Of a header that is repeated, a text is the first value and a flag is true if any value makes it
 * true. Texts are NUL-terminated, never NULL, and point into the bytes of the request. They have no
 * control characters except tabs, and may have bytes that are not UTF-8. */
struct fr_http_request {
    const char *key; /* Sec-WebSocket-Key; "" unless it is the base64 of 16 bytes */
    const char *client_version;
    const char *network_interface;
    const char *user_agent;
    char connection_id[37]; /* X-TXID in the usual form of a UUID; "" unless it is one */
    bool is_get, is_head;   /* methods are case-sensitive */
    bool is_status;         /* the path is /status */
    bool is_public_key;     /* the target is FR_PUBLIC_KEY_PATH, byte for byte, without a query */
    bool is_http_1_0;
    bool upgrade;     /* "Upgrade: websocket" and "Connection: Upgrade" */
    bool version_13;  /* Sec-WebSocket-Version */
    bool has_content; /* the head announces content after itself */
    int status;       /* 0, or the HTTP status to refuse the request with */
};

/* Parse a request head into *request. Returns its length, empty line included, or 0 when more bytes
 * are needed. A malformed or too long head gets a status, and its length is not 0. A complete head is
 * modified in place: folded lines are joined and texts get their NUL. */
size_t fr_http_request_read(char *bytes, size_t len, struct fr_http_request *request);

#endif
