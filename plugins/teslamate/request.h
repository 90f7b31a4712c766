/*
 * The parser of the HTTP requests of TeslaMate and similar clients (RFC 9112; RFC 6455, 4.2.1).
 *
 * It accepts a bounded head, no transfer encoding, and content of a stated length. Everything is from
 * outside. The functions have no state; any thread may call them.
 */
#ifndef FR_TESLAMATE_REQUEST_H
#define FR_TESLAMATE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "ingest/http_head.h"

#define REQUEST_CONTENT_MAX 16384 /* bytes; longer content gets status 413 */
#define REQUEST_TOKEN_SIZE 520    /* of a token with its NUL */

enum request_method { REQUEST_GET, REQUEST_HEAD, REQUEST_POST, REQUEST_OTHER };

/* Texts are NUL-terminated, never NULL, and point into the bytes of the request. */
struct request {
    enum request_method method;
    const char *path;               /* without the query, as sent */
    const char *key;                /* Sec-WebSocket-Key; "" unless it is the base64 of 16 bytes */
    char token[REQUEST_TOKEN_SIZE]; /* of `?token=`, else of `Authorization: Bearer`; "": none */
    size_t content_len;             /* bytes of content behind the head */
    bool upgrade;                   /* "Upgrade: websocket" and "Connection: Upgrade" */
    bool version_13;                /* Sec-WebSocket-Version */
    bool keep_alive;                /* another request may follow */
    bool expect;                    /* "Expect: 100-continue" */
    int status;                     /* 0, or the HTTP status to refuse the request with */
};

/* Parse a request head into *request. Returns its length, empty line included, or 0 when more bytes
 * are needed. A malformed or too long head gets a status, and its length is not 0; the rest of the
 * connection is then not to be read. A complete head is modified in place. */
size_t request_read(char *bytes, size_t len, struct request *request);

/* Copy the value of `name` in a text of the form a=b&c=d, with %XX and + decoded. False: it is absent,
 * malformed, or longer than `size` - 1 bytes; `value` is then "". */
bool request_form_value(const char *form, size_t len, const char *name, char *value, size_t size);

#endif
