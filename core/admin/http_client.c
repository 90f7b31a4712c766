#include "admin/http_client.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "admin/http_guard.h"
#include "admin/http_sessions.h"
#include "util/address.h"
#include "util/clock.h"

static void client_read_address(struct evhttp_request *request, struct fr_http_client_info *client)
{
    struct bufferevent *io =
        evhttp_connection_get_bufferevent(evhttp_request_get_connection(request));
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof address;

    snprintf(client->address, sizeof client->address, "%s",
             client->socket ? "the Unix socket" : "an unknown address");
    if (client->socket ||
        getpeername(bufferevent_getfd(io), (struct sockaddr *)&address, &len) != 0)
        return;
    client->source = fr_address_source(&address);
    client->local = fr_address_is_local(&address);
    if (address.ss_family == AF_INET)
        inet_ntop(AF_INET, &((struct sockaddr_in *)&address)->sin_addr, client->address,
                  sizeof client->address);
    else if (address.ss_family == AF_INET6)
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&address)->sin6_addr, client->address,
                  sizeof client->address);
}

/* Wrong tokens of requests for another host are counted apart: a page that has let its name resolve
 * to this machine must not use up the tries of the programs on it. */
#define OTHER_HOST UINT64_C(0x9e3779b97f4a7c15)

static enum fr_http_credential client_try_token(struct fr_http_admin *admin, const char *header,
                                                const struct fr_http_client_info *client)
{
    uint64_t source = client->source ^ (client->host_allowed ? 0 : OTHER_HOST);

    if (strncasecmp(header, "Bearer ", 7) != 0)
        return FR_HTTP_CREDENTIAL_NONE;
    switch (fr_http_sessions_try(admin->sessions, header + 7, source, fr_monotonic_ms())) {
    case FR_HTTP_TOKEN_RIGHT:
        return FR_HTTP_CREDENTIAL_TOKEN;
    case FR_HTTP_TOKEN_REFUSED:
        return FR_HTTP_CREDENTIAL_REFUSED;
    case FR_HTTP_TOKEN_WRONG:
        break;
    }
    return FR_HTTP_CREDENTIAL_WRONG;
}

void fr_http_client_read(struct fr_http_admin *admin, struct evhttp_request *request, bool socket,
                         struct fr_http_client_info *client)
{
    struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    const char *authorization = evhttp_find_header(headers, "Authorization");

    *client = (struct fr_http_client_info){
        .socket = socket, .local = socket, .tls = !socket && admin->tls != NULL};
    client_read_address(request, client);
    client->host_allowed =
        fr_http_host_allowed(admin->names, evhttp_find_header(headers, "Host"),
                             client->tls ? SSL_CTX_get0_certificate(admin->tls) : NULL);
    if (!admin->has_token)
        return;
    if (authorization != NULL && strncasecmp(authorization, "Bearer ", strlen("Bearer ")) == 0) {
        client->credential = client_try_token(admin, authorization, client);
        return;
    }
    client->session = fr_http_sessions_find(admin->sessions, evhttp_find_header(headers, "Cookie"),
                                            admin->cookie, fr_monotonic_ms());
    if (client->session != 0)
        client->credential = FR_HTTP_CREDENTIAL_SESSION;
}

bool fr_http_client_has_credential(const struct fr_http_client_info *client)
{
    return client->credential == FR_HTTP_CREDENTIAL_TOKEN ||
           client->credential == FR_HTTP_CREDENTIAL_SESSION;
}

bool fr_http_client_protected(const struct fr_http_client_info *client)
{
    return client->socket || client->local || client->tls;
}

const char *fr_http_client_name(const struct fr_http_client_info *client,
                                char name[FR_HTTP_WHO_SIZE])
{
    if (client->credential == FR_HTTP_CREDENTIAL_SESSION)
        snprintf(name, FR_HTTP_WHO_SIZE, "session %u of %s", client->session, client->address);
    else
        snprintf(name, FR_HTTP_WHO_SIZE, "a client of %s with the token", client->address);
    return name;
}
