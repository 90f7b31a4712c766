/*
 * The headers of the requests: Content-Type, Content-Encoding, those of the configuration, and those
 * whose values are secrets in files.
 *
 * Everything runs on the sink's thread.
 */
#ifndef FR_HTTP_REQUEST_HEADERS_H
#define FR_HTTP_REQUEST_HEADERS_H

#include <curl/curl.h>
#include <stddef.h>

#include "fleetroute/plugin.h"
#include "http/encoding.h"

/* Report each mistake in the options `headers` and `header_files`. */
void request_headers_check(struct fr_sink *sink, const struct fr_host *host);

/* Make the list; `headers:` may replace Content-Type. The caller frees it. NULL, with the reason and the
 * remedy in `why`: a file cannot be read, or no memory. */
struct curl_slist *request_headers_make(struct fr_sink *sink, const struct fr_host *host,
                                        const char *content_type, enum encoding encoding, char *why,
                                        size_t why_size);

/* Erase and free the list; NULL is permitted. */
void request_headers_free(struct curl_slist *headers);

#endif
