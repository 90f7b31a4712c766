/* The header fields of an answer that the client needs. Pure functions on hostile text. */
#ifndef FR_HTTP_HEADERS_H
#define FR_HTTP_HEADERS_H

#include <stddef.h>

#include "fleet_api/http_client.h"

/* Reset the members of `response` that come from header fields. */
void fr_http_headers_reset(struct fr_http_response *response);

/* Read one line of the header ("Name: value\r\n", not NUL-terminated) into `response`. Unknown and
 * malformed fields are ignored. `now_ms` is the time here, for dates if the answer has none. */
void fr_http_headers_read(struct fr_http_response *response, const char *line, size_t len,
                          int64_t now_ms);

/* Read "https://HOST[:PORT]" or "HOST[:PORT]" at the start of a text of `len` bytes. Writes the host
 * in lower case, with its port if given, to `host`, or "" if there is none. */
void fr_http_read_host(const char *text, size_t len, char host[FR_HTTP_HOST_SIZE]);

#endif
