/*
 * http_serve.h - decides for each request of the admin listener whether and by which endpoint it is
 * answered. Thread of the event loop.
 */
#ifndef FR_HTTP_SERVE_H
#define FR_HTTP_SERVE_H

#include "admin/http_admin_state.h"

/* Answer a request of the address or (`socket`) of the Unix socket. */
void fr_http_serve(struct fr_http_admin *admin, struct evhttp_request *request, bool socket);

/* Answer a request of a load balancer, which has no token and sends any Host header. */
void fr_http_serve_status(struct fr_http_admin *admin, struct evhttp_request *request);

#endif
