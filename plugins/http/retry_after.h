/*
 * The header Retry-After of an answer (RFC 9110, section 10.2.3). The function has no state; any thread
 * may call it.
 */
#ifndef FR_HTTP_RETRY_AFTER_H
#define FR_HTTP_RETRY_AFTER_H

#include <stddef.h>
#include <stdint.h>

/* Longest pause in ms; a longer one that a server names is shortened to it. */
#define RETRY_AFTER_MAX_MS 300000

/* The pause in ms that the value (`len` bytes, from the server) names: seconds, or a date, which is
 * compared with `now_ms`, the time in ms since 1970. From 0 to RETRY_AFTER_MAX_MS; 0 also for a value
 * that is not valid. */
int64_t retry_after_ms(const char *value, size_t len, int64_t now_ms);

#endif
