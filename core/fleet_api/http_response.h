/* The answer to a request: its body, and the header fields that the client needs. */
#ifndef FR_HTTP_RESPONSE_H
#define FR_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a host name with its port and the NUL. */
#define FR_HTTP_HOST_SIZE 262

struct fr_http_response {
    int status;            /* 100 to 599 */
    char *body;            /* NUL-terminated */
    size_t len;            /* without the NUL; the body may contain further NUL bytes */
    int64_t retry_after_s; /* from Retry-After (seconds or date), or RateLimit-Reset; -1: none */
    int64_t date_ms;       /* from Date, ms since 1970; -1: none */
    char alternative[FR_HTTP_HOST_SIZE]; /* host of `Alt-Svc: h2=https://HOST`, with its port if
                                            given; "": none */
    char redirect[FR_HTTP_HOST_SIZE];    /* host of Location, "another address" if it is not
                                            https; "": none. Never followed */
};

/* Erases and frees the body. */
void fr_http_response_free(struct fr_http_response *response);

/* Whether a body has more lists and objects than Tesla's answers can have. Parsed as JSON, each of them
 * needs some hundred bytes of memory. Linear. */
bool fr_http_response_is_dense(const struct fr_http_response *response);

/* ---- reading; pure functions on hostile text ----------------------------------------- */

/* Reset the members of `response` that come from header fields. */
void fr_http_response_reset(struct fr_http_response *response);

/* Read one line of the header ("Name: value\r\n", not NUL-terminated) into `response`. Unknown and
 * malformed fields are ignored. `now_ms` is the time here, for dates if the answer has none. */
void fr_http_response_read(struct fr_http_response *response, const char *line, size_t len,
                           int64_t now_ms);

/* Read "https://HOST[:PORT]" or "HOST[:PORT]" at the start of a text of `len` bytes. Writes the host
 * in lower case, with its port if given, to `host`, or "" if there is none. */
void fr_http_read_host(const char *text, size_t len, char host[FR_HTTP_HOST_SIZE]);

/* Copy the host of a URL, with its port if given; "?" if there is none, or if anything other than a path,
 * a query or a fragment follows it. */
void fr_http_host(const char *url, char host[FR_HTTP_HOST_SIZE]);

#endif
