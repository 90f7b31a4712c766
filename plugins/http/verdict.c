#include "http/verdict.h"

#include <stddef.h>

static const struct {
    long status;
    struct http_opinion opinion;
} statuses[] = {
    {300, {VERDICT_AWAY, " (redirects are not followed: set `url:` to the server's new address)"}},
    {301, {VERDICT_AWAY, " (redirects are not followed: set `url:` to the server's new address)"}},
    {302, {VERDICT_AWAY, " (redirects are not followed: set `url:` to the server's new address)"}},
    {303, {VERDICT_AWAY, " (redirects are not followed: set `url:` to the server's new address)"}},
    {307, {VERDICT_AWAY, " (redirects are not followed: set `url:` to the server's new address)"}},
    {308, {VERDICT_AWAY, " (redirects are not followed: set `url:` to the server's new address)"}},
    {400, {VERDICT_REFUSED, " (the server does not accept this body: check `format:`)"}},
    {401, {VERDICT_AWAY, " (check the credentials in `header_files:`)"}},
    {402, {VERDICT_AWAY, " (the account at the server must be paid)"}},
    {403, {VERDICT_AWAY, " (the credentials in `header_files:` do not permit this request)"}},
    {404, {VERDICT_AWAY, " (check the path and the database in `url:`)"}},
    {405, {VERDICT_AWAY, " (check `method:` and the path in `url:`)"}},
    {406, {VERDICT_AWAY, " (check `headers:`)"}},
    {407, {VERDICT_AWAY, " (the proxy wants credentials)"}},
    {408, {VERDICT_AWAY, " (the server or the network is too slow)"}},
    {410, {VERDICT_AWAY, " (check the path in `url:`)"}},
    {411, {VERDICT_AWAY, ""}},
    {413, {VERDICT_REFUSED, " (raise the server's limit for bodies)"}},
    {415, {VERDICT_AWAY, " (check `format:`, `compress:` and Content-Type in `headers:`)"}},
    {421, {VERDICT_AWAY, " (check the host in `url:`)"}},
    {422, {VERDICT_REFUSED, " (the server does not accept this record)"}},
    {425, {VERDICT_AWAY, ""}},
    {426, {VERDICT_AWAY, " (check `http_version:`)"}},
    {429, {VERDICT_AWAY, " (too many requests: raise the server's limit, or route less)"}},
    {431, {VERDICT_AWAY, " (check `headers:`)"}},
    {502, {VERDICT_AWAY, " (the proxy does not reach the server behind it)"}},
    {503, {VERDICT_AWAY, " (the server is overloaded, or starts)"}},
    {504, {VERDICT_AWAY, " (the proxy does not reach the server behind it)"}},
    {505, {VERDICT_AWAY, " (check `http_version:`)"}},
    {507, {VERDICT_AWAY, " (the server's disk is full)"}},
    {511, {VERDICT_AWAY, " (the network wants a login)"}},
};

struct http_opinion http_opinion_of_status(long status)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].status == status)
            return statuses[i].opinion;
    if (status >= 200 && status < 300)
        return (struct http_opinion){VERDICT_DONE, ""};
    if (status >= 400 && status < 500)
        return (struct http_opinion){VERDICT_REFUSED, ""};
    if (status >= 500 && status < 600)
        return (struct http_opinion){VERDICT_UNCLEAR, " (see the server's log)"};
    return (struct http_opinion){VERDICT_AWAY, " (is it a web server?)"};
}

struct http_opinion http_opinion_of_failure(CURLcode code, bool is_connected)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return (struct http_opinion){VERDICT_AWAY, " (check the host in `url:`)"};
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
        return (struct http_opinion){VERDICT_AWAY, " (check the proxy)"};
    case CURLE_COULDNT_CONNECT:
        return (struct http_opinion){VERDICT_AWAY, " (is the server running there?)"};
    case CURLE_OPERATION_TIMEDOUT:
        return (struct http_opinion){VERDICT_AWAY,
                                     is_connected ? " (is the server overloaded? see `timeout:`)"
                                                  : " (check the network and the host in `url:`)"};
    case CURLE_PEER_FAILED_VERIFICATION:
        return (struct http_opinion){
            VERDICT_AWAY, " (check `ca:`, and that the host in `url:` is in the certificate)"};
    case CURLE_SSL_CACERT_BADFILE:
        return (struct http_opinion){VERDICT_AWAY, " (check `ca:`)"};
    case CURLE_SSL_CERTPROBLEM:
        return (struct http_opinion){VERDICT_AWAY, " (check `certificate:` and `key:`)"};
    case CURLE_SSL_CONNECT_ERROR:
        return (struct http_opinion){VERDICT_AWAY, " (is it a server with TLS 1.2 or newer?)"};
    case CURLE_OUT_OF_MEMORY:
        return (struct http_opinion){
            VERDICT_AWAY,
            is_connected ? " (or a header of the answer has more than 100 kB)" : " (free memory)"};
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
        return (struct http_opinion){VERDICT_AWAY, " (check `url:`)"};
    default:
        return (struct http_opinion){is_connected ? VERDICT_UNCLEAR : VERDICT_AWAY,
                                     " (see the server's log)"};
    }
}
