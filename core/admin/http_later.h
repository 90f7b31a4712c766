/*
 * http_later.h - requests of the admin listener that are answered after their endpoint has returned.
 * Thread of the event loop.
 */
#ifndef FR_HTTP_LATER_H
#define FR_HTTP_LATER_H

#include "admin/http_types.h"

struct fr_http_later;
struct fr_http_admin;

/* Keep the request of `call` for an answer later. fr_http_send_later() must be called once for each
 * result; fr_http_admin_free() may come before. */
struct fr_http_later *fr_http_later(const struct fr_http_call *call);

/* Send the answer, in the type of the endpoint, unless the listener was freed; and free `later`. */
void fr_http_send_later(struct fr_http_later *later, int code, const struct fr_buffer *body);

/* Whether the client has closed its connection, or has ended its half of it. */
bool fr_http_later_client_left(const struct fr_http_later *later);

/* The listener is being freed, and evhttp frees the requests. */
void fr_http_later_abandon(struct fr_http_admin *admin);

#endif
