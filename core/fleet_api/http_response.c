#include "fleet_api/http_response.h"

#include <ctype.h>
#include <curl/curl.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define VALUE_SIZE 512
#define RETRY_MAX_S (INT64_C(366) * 24 * 3600)
/* A greater RateLimit-Reset is a time since 1970 and no number of seconds. */
#define SECONDS_MAX INT64_C(1000000000)
#define DATE_MAX_S INT64_C(253402300799) /* the end of the year 9999 */
/* Max lists and objects of an answer. */
#define CONTAINERS_MAX 100000

void fr_http_response_free(struct fr_http_response *response)
{
    if (response->body != NULL)
        OPENSSL_cleanse(response->body, response->len);
    free(response->body);
    memset(response, 0, sizeof *response);
}

bool fr_http_response_is_dense(const struct fr_http_response *response)
{
    size_t count = 0;

    for (size_t i = 0; i < response->len; i++)
        count += response->body[i] == '{' || response->body[i] == '[';
    return count > CONTAINERS_MAX;
}

void fr_http_response_reset(struct fr_http_response *response)
{
    response->retry_after_s = -1;
    response->date_ms = -1;
    response->alternative[0] = '\0';
    response->redirect[0] = '\0';
}

/* A decimal number without a sign, or -1. */
static int64_t response_number(const char *text)
{
    size_t len = strspn(text, "0123456789");
    int64_t number = 0;

    if (len == 0 || len > 15 || (text[len] != '\0' && text[len] != '.' && text[len] != ';'))
        return -1;
    for (size_t i = 0; i < len; i++)
        number = number * 10 + (text[i] - '0');
    return number;
}

/* Seconds since 1970 of an HTTP date up to the year 9999, or -1. */
static int64_t response_date(const char *text)
{
    time_t seconds = isalpha((unsigned char)text[0]) ? curl_getdate(text, NULL) : -1;

    return seconds > 0 && seconds <= DATE_MAX_S ? (int64_t)seconds : -1;
}

static void response_retry(struct fr_http_response *response, const char *value, int64_t now_ms)
{
    int64_t now_s = (response->date_ms >= 0 ? response->date_ms : now_ms) / 1000;
    int64_t seconds = response_number(value), date = response_date(value);

    if (seconds > SECONDS_MAX)
        seconds = seconds > now_s ? seconds - now_s : 0;
    else if (seconds < 0 && date >= 0)
        seconds = date > now_s ? date - now_s : 0;
    if (seconds >= 0)
        response->retry_after_s = seconds < RETRY_MAX_S ? seconds : RETRY_MAX_S;
}

void fr_http_read_host(const char *text, size_t len, char host[FR_HTTP_HOST_SIZE])
{
    size_t used = 0;
    bool has_port = false;

    host[0] = '\0';
    if (len > 8 && strncasecmp(text, "https://", 8) == 0) {
        text += 8;
        len -= 8;
    }
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bool fits = has_port ? isdigit((unsigned char)c) != 0
                             : isalnum((unsigned char)c) || c == '.' || c == '-';

        if (c == ':' && !has_port && used > 0)
            has_port = true;
        else if (!fits)
            break;
        if (used + 1 >= FR_HTTP_HOST_SIZE) {
            used = 0;
            break;
        }
        host[used++] = (char)tolower((unsigned char)c);
    }
    while (used > 0 && (host[used - 1] == '.' || host[used - 1] == ':'))
        used--;
    host[used] = '\0';
}

/* `h2=https://HOST` as Tesla's proxy writes it, or `h2="HOST:443"; ma=…` of RFC 7838. */
static void response_alternative(struct fr_http_response *response, const char *value)
{
    const char *at = strstr(value, "h2=");

    if (at == NULL)
        return;
    at += at[3] == '"' ? 4 : 3;
    fr_http_read_host(at, strlen(at), response->alternative);
}

static void response_redirect(struct fr_http_response *response, const char *value)
{
    if (strncasecmp(value, "https://", 8) == 0)
        fr_http_read_host(value, strlen(value), response->redirect);
    if (response->redirect[0] == '\0')
        snprintf(response->redirect, FR_HTTP_HOST_SIZE, "another address");
}

void fr_http_response_read(struct fr_http_response *response, const char *line, size_t len,
                           int64_t now_ms)
{
    const char *colon = memchr(line, ':', len);
    size_t name = colon != NULL ? (size_t)(colon - line) : 0, used = 0;
    char value[VALUE_SIZE];

    if (len >= 5 && strncasecmp(line, "HTTP/", 5) == 0) {
        fr_http_response_reset(response); /* of an informational answer before this one */
        return;
    }
    for (size_t i = name + 1; i < len && used + 1 < sizeof value; i++)
        if (line[i] != '\0' && (used > 0 || !isspace((unsigned char)line[i])))
            value[used++] = line[i];
    while (used > 0 && isspace((unsigned char)value[used - 1]))
        used--;
    value[used] = '\0';
#define IS(text) (name == sizeof(text) - 1 && strncasecmp(line, text, name) == 0)
    if (IS("date")) {
        int64_t date = response_date(value);

        response->date_ms = date >= 0 ? date * 1000 : -1;
    } else if (IS("retry-after") || (IS("ratelimit-reset") && response->retry_after_s < 0))
        response_retry(response, value, now_ms);
    else if (IS("alt-svc"))
        response_alternative(response, value);
    else if (IS("location"))
        response_redirect(response, value);
#undef IS
}

void fr_http_host(const char *url, char host[FR_HTTP_HOST_SIZE])
{
    const char *at = strncasecmp(url, "https://", 8) == 0 ? url + 8 : url;

    fr_http_read_host(url, strlen(url), host);
    /* A library that fetches the URL must not see another host, as in https://HOST_x.example or
     * https://HOST@example. */
    if (host[0] == '\0' || strcspn(at, "/?#") != strlen(host))
        strcpy(host, "?");
}
