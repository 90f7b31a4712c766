/*
 * Where the head of an HTTP request ends (RFC 9112, 2.2). The functions have no state; any thread may
 * call them. teslamate.so compiles this file in.
 */
#ifndef FR_HTTP_HEAD_H
#define FR_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>

/* A longer request head, in bytes, gets status 431. */
#define FR_HTTP_HEAD_MAX 8192

/* The length of a head with its empty line; 0: it is incomplete. */
size_t fr_http_head_len(const char *bytes, size_t len);

/* Whether a head may be complete, or is too long, given that its first `before` bytes were not. A
 * head that arrives in small pieces is then parsed once and not for each piece. */
bool fr_http_head_may_end(const char *bytes, size_t len, size_t before);

#endif
