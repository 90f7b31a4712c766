/*
 * The target of an HTTP request: "/path?query" or "https://host/path?query" (RFC 9112, 3.2).
 *
 * All functions may be called on any thread.
 */
#ifndef FR_HTTP_TARGET_H
#define FR_HTTP_TARGET_H

#include <stdbool.h>
#include <stddef.h>

/* Check a target and set *is_status to whether its path, without percent-encoding, is /status.
 * Returns -1 if the target is malformed, or in the authority or asterisk form. */
int fr_http_target_read(const char *target, size_t len, bool *is_status);

#endif
