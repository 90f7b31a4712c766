/*
 * The URL of the server. The functions have no state; any thread may call them.
 */
#ifndef FR_HTTP_SERVER_URL_H
#define FR_HTTP_SERVER_URL_H

#include <stddef.h>

#include "text_buffer.h"

#define SERVER_ADDRESS_SIZE 300

/* NULL: the URL is valid; else a mistake, a static text. */
const char *server_url_mistake(const char *url);

/* "https://example.com:443": the URL without path and query, which may be secret. */
void server_url_address(const char *url, char address[SERVER_ADDRESS_SIZE]);

/* Append the URL with a query added to `out`. A query that is empty, or whose name the URL's query has
 * already, is not added. */
void server_url_add_query(const char *url, const char *query, struct fr_text_buffer *out);

/* As server_url_add_query() with token=TOKEN, percent-encoded. */
void server_url_add_token(const char *url, const char *token, size_t len,
                          struct fr_text_buffer *out);

#endif
