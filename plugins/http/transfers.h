/*
 * Requests of HTTP on libcurl's multi interface and the sink's event loop. Connections are kept and
 * shared by all transfers. Redirects are not followed; an answer is read up to a bound.
 *
 * Everything runs on the sink's thread. on_end() is called from the event loop, never from
 * transfer_start().
 */
#ifndef FR_HTTP_TRANSFERS_H
#define FR_HTTP_TRANSFERS_H

#include <curl/curl.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text_buffer.h"

#define ANSWER_KEPT_MAX 4096  /* bytes of the body that are kept */
#define ANSWER_READ_MAX 65536 /* bytes of the body that are read, and of all headers */

enum http_version { HTTP_VERSION_AUTO, HTTP_VERSION_1_1 };

/* Settings of all requests. Texts belong to the caller and stay valid. */
struct transfer_settings {
    const char *method;
    enum http_version version;
    const char *ca, *certificate, *key; /* PEM files; NULL: none, for `ca` the system's */
    int64_t connect_timeout_ms, timeout_ms;
    long connections; /* max number of connections */
};

/* How a request ended. Valid until on_end() returns. */
struct answer {
    CURLcode code;          /* CURLE_OK: `status` is that of a complete answer, or of a long one */
    const char *error;      /* of code; "" if none */
    bool is_connected;      /* the connection was made */
    long status;            /* 0: none */
    const char *reason;     /* beginning of the body, as far as it is text; "" if none */
    int64_t retry_after_ms; /* 0: not named */
};

typedef void transfer_end_fn(void *ctx, const struct answer *answer);

struct transfers;
struct transfer;

/* NULL: no memory. The caller frees all transfers, then these. */
struct transfers *transfers_new(struct event_base *base, const struct transfer_settings *settings);
void transfers_free(struct transfers *transfers);

/* NULL: no memory. The caller frees it; a request in progress ends without on_end(). */
struct transfer *transfer_new(struct transfers *transfers, transfer_end_fn *on_end, void *ctx);
void transfer_free(struct transfer *transfer);

/* Start a request. The body and the headers belong to the caller and stay valid and unchanged until
 * on_end(). The URL is copied. A transfer has one request at a time. False: no memory. */
bool transfer_start(struct transfer *transfer, const char *url, struct curl_slist *headers,
                    const struct fr_text_buffer *body);

/* Only make a connection to the URL's server. Otherwise as transfer_start(). */
bool transfer_connect(struct transfer *transfer, const char *url);

/* End a request in progress, without on_end(). */
void transfer_cancel(struct transfer *transfer);

bool transfer_is_active(const struct transfer *transfer);

#endif
