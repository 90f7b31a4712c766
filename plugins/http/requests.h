/*
 * Requests made of deliveries: body, content encoding, headers with secrets, URL.
 *
 * Everything runs on the sink's thread.
 */
#ifndef FR_HTTP_REQUESTS_H
#define FR_HTTP_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>

#include "fleetroute/plugin.h"
#include "http/body.h"
#include "http/transfers.h"

#define REQUESTS_OPTIONS                                                                           \
    {"url", FR_OPTION_TEXT,                                                                        \
     NULL,  false,                                                                                 \
     NULL,  "address of the server; default of abrp: https://api.iternio.com/1/tlm/send"},         \
        {"method", FR_OPTION_CHOICE, "POST", false, "POST|PUT|PATCH", "method of the requests"},   \
        {"headers", FR_OPTION_MAP, NULL, false, NULL, "further headers"},                          \
        {"header_files", FR_OPTION_MAP, NULL,                                                      \
         false,          NULL,          "headers whose values are the first lines of files"},      \
        {"tokens_file", FR_OPTION_TEXT, NULL,                                                      \
         false,         NULL,           "abrp: a file with a line `VIN TOKEN` for each vehicle"},  \
        {"compress", FR_OPTION_CHOICE, "none",                                                     \
         false,      "none|gzip|zstd", "content encoding of the bodies"},                          \
        {"max_records", FR_OPTION_INTEGER, "500", false, NULL, "deliveries of one request"},       \
        {"max_bytes", FR_OPTION_SIZE, "1 MB",                                                      \
         false,       NULL,           "size of a body before compression, about"},                 \
        {"connections", FR_OPTION_INTEGER,                                                         \
         "4",           false,                                                                     \
         NULL,          "requests at a time; those of one vehicle are one after the other"},       \
        {"http_version", FR_OPTION_CHOICE, "auto",                                                 \
         false,          "auto|1.1",       "auto: HTTP/2 where the server offers it with TLS"},    \
        {"ca", FR_OPTION_TEXT, NULL, false, NULL, "PEM file with the CAs of the server"},          \
        {"certificate", FR_OPTION_TEXT, NULL, false, NULL, "PEM file of the client"},              \
        {"key", FR_OPTION_TEXT, NULL, false, NULL, "PEM file of the client's key"},                \
        {"connect_timeout", FR_OPTION_DURATION, "4 s", false, NULL, "time for a connection"},      \
        {"timeout", FR_OPTION_DURATION, "8 s", false, NULL, "time for a request and its answer"},  \
        BODY_OPTIONS

/* Report each mistake in these options. */
void requests_check(struct fr_sink *sink, const struct fr_host *host);

struct requests;
struct request;

/* NULL: no memory. The caller frees all requests, then these; NULL is permitted there. */
struct requests *requests_new(struct fr_sink *sink, const struct fr_host *host);
void requests_free(struct requests *requests);

/* "https://example.com:443", for people. */
const char *requests_address(const struct requests *requests);
/* Max deliveries of a request. */
size_t requests_max(const struct requests *requests);
const struct body *requests_body(const struct requests *requests);
/* Read the files with secrets again before the next requests. */
void requests_forget_secrets(struct requests *requests);

/* Make a connection, without a request. False: no memory. */
bool requests_connect(struct requests *requests, struct transfer *transfer);
struct transfers *requests_transfers(struct requests *requests);

/* NULL: no memory. The caller frees it; NULL is permitted there. */
struct request *request_new(struct requests *requests, transfer_end_fn *on_end, void *ctx);
void request_free(struct request *request);
bool request_is_active(const struct request *request);
/* End a request in progress, without on_end(). */
void request_cancel(struct request *request);

enum request_added {
    REQUEST_ADDED,
    REQUEST_NOTHING, /* the delivery needs no request */
    REQUEST_UNFIT,   /* its route has a `format:` that cannot be used */
    REQUEST_FULL,    /* the delivery belongs to the next request */
};

/* Begin a request. False, with the reason and the remedy in `why`: a file with secrets cannot be read. */
bool request_begin(struct request *request, enum body_mode mode, size_t max_deliveries, char *why,
                   size_t why_size);

/* Add a delivery, which stays valid until on_end(). */
enum request_added request_add(struct request *request, const struct fr_delivery *delivery);

/* Send a request with at least one delivery. False, with the reason in `why`: no memory. */
bool request_send(struct request *request, char *why, size_t why_size);

#endif
