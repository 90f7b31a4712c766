#include "http/requests.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/encoding.h"
#include "http/request_headers.h"
#include "http/secret.h"
#include "http/server_url.h"
#include "http/vehicle_tokens.h"

#define ABRP_URL "https://api.iternio.com/1/tlm/send"
static const char *const methods[] = {"POST", "PUT", "PATCH"};

struct requests {
    struct fr_sink *sink;
    const struct fr_host *host;
    struct transfers *transfers;
    struct body *body;
    struct encoder *encoder; /* NULL: none */
    enum encoding encoding;
    size_t max_records, max_bytes;
    struct fr_text_buffer url;       /* with the query of the format */
    struct fr_text_buffer token_url; /* with the token of a vehicle; secret */
    char address[SERVER_ADDRESS_SIZE];
    struct fr_text_buffer tokens; /* content of the file of tokens; secret */
    unsigned secrets;             /* changes when files must be read again; never 0 */
    unsigned tokens_secrets;      /* `secrets` when `tokens` was read; 0: never */
};

struct request {
    struct requests *requests;
    struct transfer *transfer;
    struct curl_slist *headers;
    unsigned headers_secrets; /* as tokens_secrets */
    struct fr_text_buffer plain, encoded;
    enum body_mode mode;
    size_t count, max;
    const struct fr_delivery *first;
    const char *token; /* of the vehicle of `first`, in `requests->tokens`; NULL: none is needed */
    size_t token_len;
};

/* ---- open and close -------------------------------------------------------------- */

static const char *requests_url(struct fr_sink *sink, const struct fr_host *host)
{
    const char *url = host->text(sink, "url");

    return url == NULL && host->number(sink, "format") == FORMAT_ABRP ? ABRP_URL : url;
}

static void requests_read_options(struct requests *requests)
{
    struct fr_sink *sink = requests->sink;
    const struct fr_host *host = requests->host;

    requests->encoding = (enum encoding)host->number(sink, "compress");
    requests->max_records = (size_t)host->number(sink, "max_records");
    requests->max_bytes = (size_t)host->number(sink, "max_bytes");
    requests->secrets = 1;
    server_url_address(requests_url(sink, host), requests->address);
    server_url_add_query(requests_url(sink, host), body_query(requests->body), &requests->url);
}

static struct transfers *requests_new_transfers(struct fr_sink *sink, const struct fr_host *host)
{
    struct transfer_settings settings = {
        .method = methods[host->number(sink, "method")],
        .version = (enum http_version)host->number(sink, "http_version"),
        .ca = host->text(sink, "ca"),
        .certificate = host->text(sink, "certificate"),
        .key = host->text(sink, "key"),
        .connect_timeout_ms = host->number(sink, "connect_timeout"),
        .timeout_ms = host->number(sink, "timeout"),
        .connections = (long)host->number(sink, "connections") + 1, /* for attempts while away */
    };

    return transfers_new(host->event_base(sink), &settings);
}

struct requests *requests_new(struct fr_sink *sink, const struct fr_host *host)
{
    struct requests *requests = calloc(1, sizeof *requests);

    if (requests == NULL)
        return NULL;
    requests->sink = sink;
    requests->host = host;
    requests->body = body_new(sink, host);
    requests->transfers = requests_new_transfers(sink, host);
    if (requests->body != NULL)
        requests_read_options(requests);
    if (requests->encoding != ENCODING_NONE)
        requests->encoder = encoder_new(requests->encoding);
    if (requests->body != NULL && requests->transfers != NULL && !requests->url.failed &&
        (requests->encoding == ENCODING_NONE || requests->encoder != NULL))
        return requests;
    requests_free(requests);
    return NULL;
}

void requests_free(struct requests *requests)
{
    if (requests == NULL)
        return;
    transfers_free(requests->transfers);
    body_free(requests->body);
    encoder_free(requests->encoder);
    fr_secret_erase(&requests->tokens);
    fr_secret_erase(&requests->token_url);
    fr_text_buffer_free(&requests->url);
    free(requests);
}

/* ---- checks of the options ------------------------------------------------------- */

static void requests_check_number(struct fr_sink *sink, const struct fr_host *host,
                                  const char *option, int64_t min, int64_t max, const char *range)
{
    int64_t number = host->number(sink, option);

    if (number < min || number > max)
        host->config_error(sink, option, NULL, "%s must be between %s", option, range);
}

static void requests_check_url(struct fr_sink *sink, const struct fr_host *host)
{
    const char *url = requests_url(sink, host);
    const char *mistake = url != NULL ? server_url_mistake(url) : NULL;

    if (url == NULL)
        host->config_error(sink, "format", NULL,
                           "the sink needs `url:`, such as http://localhost:8086/write?db=tesla");
    if (mistake != NULL)
        host->config_error(sink, "url", NULL, "url: %s", mistake);
}

static void requests_check_tls(struct fr_sink *sink, const struct fr_host *host)
{
    if (host->text(sink, "certificate") != NULL && host->text(sink, "key") == NULL)
        host->config_error(sink, "certificate", NULL, "certificate needs `key:`");
    if (host->text(sink, "key") != NULL && host->text(sink, "certificate") == NULL)
        host->config_error(sink, "key", NULL, "key needs `certificate:`");
}

void requests_check(struct fr_sink *sink, const struct fr_host *host)
{
    bool is_abrp = host->number(sink, "format") == FORMAT_ABRP;

    requests_check_url(sink, host);
    requests_check_tls(sink, host);
    body_check(sink, host);
    request_headers_check(sink, host);
    requests_check_number(sink, host, "max_records", 1, 10000, "1 and 10000");
    requests_check_number(sink, host, "max_bytes", 1000, 100000000, "1 kB and 100 MB");
    requests_check_number(sink, host, "connections", 1, 64, "1 and 64");
    requests_check_number(sink, host, "connect_timeout", 100, 60000, "100 ms and 60 s");
    requests_check_number(sink, host, "timeout", 100, 300000, "100 ms and 300 s");
    if (is_abrp && host->text(sink, "tokens_file") == NULL)
        host->config_error(sink, "format", NULL, "format abrp needs `tokens_file:`");
    if (!is_abrp && host->text(sink, "tokens_file") != NULL)
        host->config_error(sink, "tokens_file", NULL,
                           "tokens_file has no effect without `format: abrp`");
}

/* ---- properties ------------------------------------------------------------------ */

const char *requests_address(const struct requests *requests)
{
    return requests->address;
}

size_t requests_max(const struct requests *requests)
{
    return requests->max_records;
}

const struct body *requests_body(const struct requests *requests)
{
    return requests->body;
}

void requests_forget_secrets(struct requests *requests)
{
    requests->secrets++;
    if (requests->secrets == 0)
        requests->secrets = 1;
}

struct transfers *requests_transfers(struct requests *requests)
{
    return requests->transfers;
}

bool requests_connect(struct requests *requests, struct transfer *transfer)
{
    return transfer_connect(transfer, fr_text_buffer_string(&requests->url));
}

/* ---- one request ----------------------------------------------------------------- */

struct request *request_new(struct requests *requests, transfer_end_fn *on_end, void *ctx)
{
    struct request *request = calloc(1, sizeof *request);

    if (request == NULL)
        return NULL;
    request->requests = requests;
    request->transfer = transfer_new(requests->transfers, on_end, ctx);
    if (request->transfer != NULL)
        return request;
    free(request);
    return NULL;
}

void request_free(struct request *request)
{
    if (request == NULL)
        return;
    transfer_free(request->transfer);
    request_headers_free(request->headers);
    fr_text_buffer_free(&request->plain);
    fr_text_buffer_free(&request->encoded);
    free(request);
}

bool request_is_active(const struct request *request)
{
    return transfer_is_active(request->transfer);
}

void request_cancel(struct request *request)
{
    transfer_cancel(request->transfer);
}

static bool request_refresh_headers(struct request *request, char *why, size_t why_size)
{
    const struct requests *requests = request->requests;

    if (request->headers_secrets == requests->secrets)
        return true;
    request_headers_free(request->headers);
    request->headers_secrets = 0;
    request->headers =
        request_headers_make(requests->sink, requests->host, body_content_type(requests->body),
                             requests->encoding, why, why_size);
    if (request->headers == NULL)
        return false;
    request->headers_secrets = requests->secrets;
    return true;
}

static bool requests_refresh_tokens(struct requests *requests, char *why, size_t why_size)
{
    const char *path = requests->host->text(requests->sink, "tokens_file");

    if (path == NULL || requests->tokens_secrets == requests->secrets)
        return true;
    requests->tokens_secrets = 0;
    if (!secret_read_file(path, &requests->tokens, why, why_size))
        return false;
    requests->tokens_secrets = requests->secrets;
    return true;
}

bool request_begin(struct request *request, enum body_mode mode, size_t max_deliveries, char *why,
                   size_t why_size)
{
    const struct requests *requests = request->requests;

    assert(!request_is_active(request));
    fr_text_buffer_clear(&request->plain);
    request->mode = mode;
    request->count = 0;
    request->max = max_deliveries < requests->max_records ? max_deliveries : requests->max_records;
    request->first = NULL;
    request->token = NULL;
    return request_refresh_headers(request, why, why_size) &&
           requests_refresh_tokens(request->requests, why, why_size);
}

/* Whether a vehicle has a token, where vehicles need one. */
static bool request_finds_token(struct request *request, const struct fr_delivery *delivery)
{
    const struct requests *requests = request->requests;

    if (requests->tokens_secrets == 0)
        return true;
    request->token =
        vehicle_token(fr_text_buffer_string(&requests->tokens), delivery->vin, &request->token_len);
    return request->token != NULL;
}

enum request_added request_add(struct request *request, const struct fr_delivery *delivery)
{
    struct requests *requests = request->requests;

    if (request->count == request->max || request->plain.len >= requests->max_bytes ||
        (request->first != NULL && !body_may_join(requests->body, request->first, delivery)))
        return REQUEST_FULL;
    if (request->first == NULL && !request_finds_token(request, delivery))
        return REQUEST_NOTHING;
    switch (body_add(requests->body, &request->plain, request->mode, delivery)) {
    case BODY_NOTHING:
        return REQUEST_NOTHING;
    case BODY_UNFIT:
        return REQUEST_UNFIT;
    case BODY_ADDED:
    case BODY_NO_MEMORY: /* request_send() reports it */
    default:
        break;
    }
    request->count++;
    if (request->first == NULL)
        request->first = delivery;
    return REQUEST_ADDED;
}

static const char *request_url(const struct request *request)
{
    struct requests *requests = request->requests;

    if (request->token == NULL)
        return fr_text_buffer_string(&requests->url);
    fr_text_buffer_clear(&requests->token_url);
    server_url_add_token(fr_text_buffer_string(&requests->url), request->token, request->token_len,
                         &requests->token_url);
    return fr_text_buffer_string(&requests->token_url);
}

bool request_send(struct request *request, char *why, size_t why_size)
{
    struct requests *requests = request->requests;
    struct fr_text_buffer *body = &request->plain;

    assert(request->count != 0);
    snprintf(why, why_size, "no memory");
    body_end(requests->body, &request->plain);
    if (requests->encoder != NULL) {
        if (request->plain.failed || !encoder_encode(requests->encoder, request->plain.bytes,
                                                     request->plain.len, &request->encoded))
            return false;
        body = &request->encoded;
    }
    return !body->failed &&
           transfer_start(request->transfer, request_url(request), request->headers, body);
}
