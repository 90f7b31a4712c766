/*
 * http_body.h - whether evhttp and other programs agree where the body of a request ends, and for which
 * host the request is.
 *
 * evhttp reads a body only after POST, and takes what follows another method for the next request. A
 * proxy in front may read it as the body, and so one client could answer for another. Any thread.
 */
#ifndef FR_HTTP_BODY_H
#define FR_HTTP_BODY_H

#include <event2/keyvalq_struct.h>
#include <stdbool.h>

/* The mistake in the length of a body, or a second Host or Origin header; after a mistake the caller
 * closes the connection. NULL: there is no mistake. */
const char *fr_http_body_mistake(const struct evkeyvalq *headers, bool post);

#endif
