/*
 * The responses to the HTTP request that opens a vehicle's WebSocket (RFC 6455, 4.2.2).
 *
 * Extensions and subprotocols are never accepted: cars offer permessage-deflate and close the
 * connection when a server accepts it. All functions may be called on any thread.
 */
#ifndef FR_HTTP_UPGRADE_H
#define FR_HTTP_UPGRADE_H

#include <stdbool.h>

#include "util/buffer.h"

/* Append the response that opens the WebSocket; `key` is the request's. */
void fr_http_accept(struct fr_buffer *out, const char *key);

/* Append a response with a text as its body, after which the connection is to be closed. `to_head`: a
 * response to the method HEAD, without the body. */
void fr_http_answer(struct fr_buffer *out, int status, const char *text, bool to_head);

#endif
