/*
 * What the end of a request means for its deliveries, and the remedy for people. The functions have no
 * state; any thread may call them.
 */
#ifndef FR_HTTP_VERDICT_H
#define FR_HTTP_VERDICT_H

#include <curl/curl.h>
#include <stdbool.h>

enum http_verdict {
    VERDICT_DONE,    /* the server has accepted the request */
    VERDICT_INVALID, /* the server works, and refuses a part of the body */
    VERDICT_REFUSED, /* the server refuses the body, or every body */
    VERDICT_UNCLEAR, /* the server fails; the cause is the body or the server */
    VERDICT_AWAY,    /* the server is away, overloaded, or accepts no request of this kind */
};

struct http_opinion {
    enum http_verdict verdict;
    const char *remedy; /* begins with a space and has parentheses; "" if unknown */
};

/* The opinion on a status of HTTP, such as 404. */
struct http_opinion http_opinion_of_status(long status);

/* The opinion on a request that has no complete answer. `is_connected`: the connection was made. */
struct http_opinion http_opinion_of_failure(CURLcode code, bool is_connected);

#endif
