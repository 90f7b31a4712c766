/* http_client.h - the client of a request of the admin listener, and what it has proved. Thread of
 * the event loop. */
#ifndef FR_HTTP_CLIENT_H
#define FR_HTTP_CLIENT_H

#include <arpa/inet.h>

#include "admin/http_admin_state.h"

enum fr_http_credential {
    FR_HTTP_CREDENTIAL_NONE,
    FR_HTTP_CREDENTIAL_WRONG,   /* a wrong token */
    FR_HTTP_CREDENTIAL_REFUSED, /* a token that was not compared: too many wrong ones */
    FR_HTTP_CREDENTIAL_TOKEN,
    FR_HTTP_CREDENTIAL_SESSION,
};

struct fr_http_client_info {
    bool socket; /* of the Unix socket */
    bool local;  /* on this machine */
    bool tls;
    bool host_allowed; /* the Host header names this server */
    uint64_t source;   /* fr_address_source() */
    char address[INET6_ADDRSTRLEN];
    enum fr_http_credential credential;
    unsigned session; /* its number; 0: none */
};

/* Read the address and the credential of a request. A token is looked for in Authorization; only
 * without this header the cookie counts. */
void fr_http_client_read(struct fr_http_admin *admin, struct evhttp_request *request, bool socket,
                         struct fr_http_client_info *client);

/* Whether the client has sent the token, now or in its session. */
bool fr_http_client_has_credential(const struct fr_http_client_info *client);

/* Whether no other machine can read or change the request on its way. */
bool fr_http_client_protected(const struct fr_http_client_info *client);

/* The client's name for the log: "session 3 of 192.0.2.1", "a client of 192.0.2.1 with the token". */
const char *fr_http_client_name(const struct fr_http_client_info *client,
                                char name[FR_HTTP_WHO_SIZE]);

#endif
