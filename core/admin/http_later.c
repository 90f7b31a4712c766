#include "admin/http_later.h"

#include <poll.h>
#include <stdlib.h>

#include "admin/http_reply.h"
#include "util/memory.h"

/* evhttp neither reads from the connection nor closes it before the request is answered. So
 * `request` is valid until then, or until the listener is freed. */
struct fr_http_later {
    struct fr_http_admin *admin; /* NULL: the listener was freed */
    struct evhttp_request *request;
    const char *type;
    struct fr_http_later *next;
};

struct fr_http_later *fr_http_later(const struct fr_http_call *call)
{
    const struct fr_http_exchange *exchange = call->exchange;
    struct fr_http_later *later = fr_calloc(1, sizeof *later);

    *later = (struct fr_http_later){exchange->admin, exchange->request, exchange->endpoint->type,
                                    exchange->admin->later};
    exchange->admin->later = later;
    return later;
}

void fr_http_send_later(struct fr_http_later *later, int code, const struct fr_buffer *body)
{
    struct fr_http_later **at;

    if (later->admin != NULL) {
        for (at = &later->admin->later; *at != later; at = &(*at)->next)
            ;
        *at = later->next;
        fr_http_reply(later->admin, later->request, code, later->type, body);
    }
    free(later);
}

bool fr_http_later_client_left(const struct fr_http_later *later)
{
    struct evhttp_connection *connection =
        later->admin != NULL ? evhttp_request_get_connection(later->request) : NULL;
    struct pollfd p = {.events = POLLRDHUP};

    if (connection == NULL)
        return true;
    p.fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));
    return poll(&p, 1, 0) > 0;
}

void fr_http_later_abandon(struct fr_http_admin *admin)
{
    for (struct fr_http_later *later = admin->later; later != NULL; later = later->next)
        later->admin = NULL;
    admin->later = NULL;
}
