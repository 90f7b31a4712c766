/*
 * http_login.h - the endpoints of sessions: a browser sends the token once and gets a cookie.
 *
 *   POST /api/login   {"token":TEXT}  begins a session
 *   POST /api/logout                  ends it, and its streams of records
 *   GET  /api/session                 what this client needs and may do
 *
 * Thread of the event loop.
 */
#ifndef FR_HTTP_LOGIN_H
#define FR_HTTP_LOGIN_H

#include "admin/http_client.h"

/* Whether a path is one of these endpoints, with this method. */
bool fr_http_login_has(const char *path, bool post);

/* Answer a request of one of these endpoints. The caller
 * has checked the origin of the request. */
void fr_http_login_serve(struct fr_http_admin *admin, struct evhttp_request *request,
                         const struct fr_http_client_info *client, const char *path);

#endif
