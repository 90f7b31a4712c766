#include "fleet_api/http_client.h"

#include <ctype.h>
#include <curl/curl.h>
#include <openssl/crypto.h>
#include <openssl/x509_vfy.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fleet_api/clean_text.h"
#include "fleet_api/http_response.h"
#include "util/clock.h"
#include "util/memory.h"

#define BODY_FIRST_BYTES 16384

struct fr_http_client {
    CURL *curl;
    char *ca; /* path; NULL: the system's */
    int64_t total_ms;
    bool is_plain_allowed; /* http:// */
    int64_t clock_offset_ms;
    bool clock_failed;
    char curl_error[CURL_ERROR_SIZE];
};

/* An answer while it arrives. */
struct http_reception {
    struct fr_http_response *response;
    size_t capacity;
    size_t header_bytes;
    bool is_too_long;
    bool is_out_of_memory;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void http_start(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct fr_http_client *fr_http_client_new(const char *ca, struct fr_error *error)
{
    struct fr_http_client *client;

    if (ca != NULL && access(ca, R_OK) != 0) {
        fr_error_set(error, "the CA file %s (`tesla: api_ca`) cannot be read; check the path", ca);
        return NULL;
    }
    pthread_once(&once, http_start);
    client = fr_calloc(1, sizeof *client);
    client->curl = curl_easy_init();
    client->ca = ca != NULL ? fr_strdup(ca) : NULL;
    client->total_ms = FR_HTTP_TOTAL_MS;
    if (client->curl == NULL) {
        fr_error_set(error, "libcurl cannot start; free memory, or reinstall libcurl");
        fr_http_client_free(client);
        return NULL;
    }
    return client;
}

void fr_http_client_free(struct fr_http_client *client)
{
    if (client == NULL)
        return;
    curl_easy_cleanup(client->curl);
    free(client->ca);
    free(client);
}

int64_t fr_http_client_clock_offset_ms(const struct fr_http_client *client)
{
    return client->clock_offset_ms;
}

bool fr_http_client_clock_failed(const struct fr_http_client *client)
{
    return client->clock_failed;
}

void fr_http_client_set_limit(struct fr_http_client *client, int64_t total_ms)
{
    client->total_ms = total_ms;
}

void fr_http_client_allow_plain(struct fr_http_client *client)
{
    client->is_plain_allowed = true;
}

/* ---- reception ------------------------------------------------------------------- */

static size_t http_on_header(char *bytes, size_t size, size_t count, void *context)
{
    struct http_reception *reception = context;
    size_t len = size * count;

    reception->header_bytes += len;
    if (reception->header_bytes > FR_HTTP_HEADERS_MAX) {
        reception->is_too_long = true;
        return 0;
    }
    fr_http_response_read(reception->response, bytes, len, fr_wall_ms());
    return len;
}

/* Make the body's memory large enough for `len` bytes and a NUL. The old memory is erased: the body
 * can be a token. */
static bool http_reserve(struct http_reception *reception, size_t len)
{
    struct fr_http_response *response = reception->response;
    size_t capacity = reception->capacity != 0 ? reception->capacity : BODY_FIRST_BYTES;
    char *body;

    if (len < reception->capacity)
        return true;
    while (capacity <= len)
        capacity *= 2;
    body = malloc(capacity);
    if (body == NULL)
        return false;
    if (response->body != NULL) {
        memcpy(body, response->body, response->len);
        OPENSSL_cleanse(response->body, response->len);
        free(response->body);
    }
    response->body = body;
    reception->capacity = capacity;
    return true;
}

static size_t http_on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct http_reception *reception = context;
    struct fr_http_response *response = reception->response;
    size_t len = size * count;

    if (len > FR_HTTP_BODY_MAX - response->len) {
        reception->is_too_long = true;
        return 0;
    }
    if (!http_reserve(reception, response->len + len)) {
        reception->is_out_of_memory = true;
        return 0;
    }
    memcpy(response->body + response->len, bytes, len);
    response->len += len;
    return len;
}

/* ---- request --------------------------------------------------------------------- */

/* Append a header line; `list` is freed if memory is exhausted. */
static struct curl_slist *http_add(struct curl_slist *list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(list, line);

    if (longer == NULL)
        curl_slist_free_all(list);
    return longer;
}

static struct curl_slist *http_headers(const struct fr_http_request *request)
{
    struct curl_slist *list = http_add(NULL, "Accept: application/json");
    char *line;

    if (list != NULL && request->content_type != NULL) {
        line = fr_asprintf("Content-Type: %s", request->content_type);
        list = http_add(list, line);
        free(line);
    }
    if (list != NULL)
        list = http_add(list, "Expect:"); /* the body is sent without a question */
    if (list != NULL && request->bearer != NULL) {
        line = fr_asprintf("Authorization: Bearer %s", request->bearer);
        list = http_add(list, line);
        OPENSSL_cleanse(line, strlen(line));
        free(line);
    }
    return list;
}

static void http_free_headers(struct curl_slist *list)
{
    for (struct curl_slist *at = list; at != NULL; at = at->next)
        OPENSSL_cleanse(at->data, strlen(at->data));
    curl_slist_free_all(list);
}

static void http_set_security(struct fr_http_client *client)
{
    CURL *curl = client->curl;

    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR,
                     client->is_plain_allowed ? "https,http" : "https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    if (client->ca != NULL) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, client->ca);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    }
}

static void http_set_request(struct fr_http_client *client, const struct fr_http_request *request)
{
    CURL *curl = client->curl;

    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "fleetroute/" PACKAGE_VERSION);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(client->total_ms < 2 * FR_HTTP_CONNECT_MS ? client->total_ms / 2
                                                                      : FR_HTTP_CONNECT_MS));
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)client->total_ms);
    curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (strcmp(request->method, "GET") != 0)
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    if (request->content_type != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->len);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
    }
}

/* ---- failures -------------------------------------------------------------------- */

/* The certificate of the server is not accepted. */
static int http_fail_certificate(struct fr_http_client *client, const char *host,
                                 struct fr_error *error)
{
    long result = X509_V_OK;
    char now[40] = "?", reason[160];
    time_t seconds = time(NULL);
    struct tm tm;

    curl_easy_getinfo(client->curl, CURLINFO_SSL_VERIFYRESULT, &result);
    if (result == X509_V_ERR_CERT_HAS_EXPIRED || result == X509_V_ERR_CERT_NOT_YET_VALID) {
        client->clock_failed = true;
        if (gmtime_r(&seconds, &tm) != NULL)
            strftime(now, sizeof now, "%Y-%m-%d %H:%M UTC", &tm);
        return fr_error_set(
            error,
            "%s: its certificate %s at the time of this machine, %s; set the "
            "clock, e.g. with `timedatectl set-ntp true`",
            host, result == X509_V_ERR_CERT_HAS_EXPIRED ? "has expired" : "is not valid yet", now);
    }
    fr_clean_text(reason, sizeof reason, client->curl_error, strlen(client->curl_error));
    return fr_error_set(error,
                        "%s: its certificate is not accepted: %s; install the package "
                        "ca-certificates, and check for a proxy that intercepts TLS",
                        host, reason);
}

static const char *http_remedy(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return "check the name and DNS (/etc/resolv.conf)";
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
        return "check the proxy in HTTPS_PROXY";
    case CURLE_COULDNT_CONNECT:
        return "check the network and the firewall (TCP port 443 to the outside)";
    case CURLE_OPERATION_TIMEDOUT:
        return "check the network, and try again later";
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_LOGIN_DENIED:
        return "the address must be https:// without a user name; check `tesla: base_url` and "
               "`auth_url`";
    case CURLE_SSL_CACERT_BADFILE:
        return "check `tesla: api_ca`, or install the package ca-certificates";
    default:
        return "try again later; check for a proxy or a firewall between here and Tesla";
    }
}

static int http_fail(struct fr_http_client *client, const struct http_reception *reception,
                     const char *url, CURLcode code, struct fr_error *error)
{
    char host[FR_HTTP_HOST_SIZE], reason[160];
    const char *text =
        client->curl_error[0] != '\0' ? client->curl_error : curl_easy_strerror(code);

    fr_http_host(url, host);
    if (reception->is_too_long)
        return fr_error_set(error,
                            "%s: the answer has more than %d bytes, or its header more than %d; "
                            "check for a proxy between here and Tesla",
                            host, FR_HTTP_BODY_MAX, FR_HTTP_HEADERS_MAX);
    if (reception->is_out_of_memory)
        return fr_error_set(error, "%s: the answer does not fit in memory; free memory", host);
    if (code == CURLE_PEER_FAILED_VERIFICATION)
        return http_fail_certificate(client, host, error);
    fr_clean_message(reason, sizeof reason, text, strlen(text));
    return fr_error_set(error, "%s: no complete answer: %s; %s", host, reason, http_remedy(code));
}

/* ---- the exchange ---------------------------------------------------------------- */

/* Whether a token can stand in a header line. */
static bool http_is_token(const char *token)
{
    for (size_t i = 0; token[i] != '\0'; i++)
        if (!isgraph((unsigned char)token[i]))
            return false;
    return true;
}

static CURLcode http_perform(struct fr_http_client *client, const struct fr_http_request *request,
                             struct http_reception *reception)
{
    struct curl_slist *headers = http_headers(request);
    CURLcode code;

    if (headers == NULL)
        return CURLE_OUT_OF_MEMORY;
    curl_easy_reset(client->curl);
    client->curl_error[0] = '\0';
    http_set_security(client);
    http_set_request(client, request);
    curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, client->curl_error);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(client->curl, CURLOPT_HEADERFUNCTION, http_on_header);
    curl_easy_setopt(client->curl, CURLOPT_HEADERDATA, reception);
    curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, http_on_body);
    curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, reception);
    code = curl_easy_perform(client->curl);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, NULL);
    http_free_headers(headers);
    return code;
}

int fr_http_request(struct fr_http_client *client, const struct fr_http_request *request,
                    struct fr_http_response *response, struct fr_error *error)
{
    struct http_reception reception = {.response = response};
    CURLcode code;
    long status = 0;

    memset(response, 0, sizeof *response);
    fr_http_response_reset(response);
    client->clock_failed = false;
    if (request->bearer != NULL && !http_is_token(request->bearer))
        return fr_error_set(error, "the access token has characters that no token has; run "
                                   "`fleetroute setup` to log in again");
    code = http_perform(client, request, &reception);
    if (code == CURLE_OK && !http_reserve(&reception, response->len))
        code = CURLE_OUT_OF_MEMORY;
    if (code == CURLE_OK)
        curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && (status < 100 || status > 599))
        code = CURLE_WEIRD_SERVER_REPLY;
    if (code != CURLE_OK) {
        http_fail(client, &reception, request->url, code, error);
        fr_http_response_free(response);
        return -1;
    }
    if (response->date_ms >= 0)
        client->clock_offset_ms = fr_wall_ms() - response->date_ms;
    response->status = (int)status;
    response->body[response->len] = '\0';
    return 0;
}
