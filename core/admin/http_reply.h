/* http_reply.h - answers of the admin listener, with the headers that protect them in browsers. */
#ifndef FR_HTTP_REPLY_H
#define FR_HTTP_REPLY_H

#include "admin/http_admin_state.h"

/* The Content-Security-Policy: nothing but files of this server, and images of the host of
 * `map_tiles` (NULL: none). The caller frees it. */
char *fr_http_policy(const char *map_tiles);

/* Add the headers of each answer. `cache` is the Cache-Control. */
void fr_http_reply_headers(const struct fr_http_admin *admin, struct evhttp_request *request,
                           const char *type, const char *cache);

/* Send an answer that no cache stores. The body is not sent to HEAD. */
void fr_http_reply(const struct fr_http_admin *admin, struct evhttp_request *request, int code,
                   const char *type, const struct fr_buffer *body);

/* The same with a text as the body. */
void fr_http_reply_text(const struct fr_http_admin *admin, struct evhttp_request *request, int code,
                        const char *text);

/* Send {"ok":false,"message":text}. */
void fr_http_reply_refusal(const struct fr_http_admin *admin, struct evhttp_request *request,
                           int code, const char *text);

/* Send a file, or 304 if the client's copy has the same ETag. */
void fr_http_reply_file(const struct fr_http_admin *admin, struct evhttp_request *request,
                        const struct fr_http_file *file);

#endif
