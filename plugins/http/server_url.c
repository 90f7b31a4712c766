#include "http/server_url.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool server_url_has_part(CURLU *parsed, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(parsed, part, &text, 0) == CURLUE_OK;

    curl_free(text);
    return has;
}

static const char *server_url_parsed_mistake(CURLU *parsed)
{
    char *scheme = NULL;
    const char *mistake = NULL;

    if (curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        mistake = "it must begin with http:// or https://";
    else if (server_url_has_part(parsed, CURLUPART_USER) ||
             server_url_has_part(parsed, CURLUPART_PASSWORD))
        mistake = "it must not have a user name; put `Authorization:` into `header_files:`";
    curl_free(scheme);
    return mistake;
}

const char *server_url_mistake(const char *url)
{
    CURLU *parsed = curl_url();
    const char *mistake = "it is not a URL, such as http://localhost:8086/write?db=tesla";

    if (parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK)
        mistake = server_url_parsed_mistake(parsed);
    curl_url_cleanup(parsed);
    return mistake;
}

void server_url_address(const char *url, char address[SERVER_ADDRESS_SIZE])
{
    CURLU *parsed = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL;

    snprintf(address, SERVER_ADDRESS_SIZE, "the server");
    if (parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
        snprintf(address, SERVER_ADDRESS_SIZE, "%s://%.255s:%s", scheme, host, port);
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parsed);
}

/* Whether the URL's query has a parameter, `name` with its `=`. */
static bool server_url_has(const char *url, const char *name, size_t len)
{
    const char *at = strchr(url, '?');

    for (; at != NULL; at = strchr(at + 1, '&'))
        if (strncmp(at + 1, name, len) == 0)
            return true;
    return false;
}

void server_url_add_query(const char *url, const char *query, struct fr_text_buffer *out)
{
    size_t len = strcspn(url, "#"), name = strcspn(query, "=") + 1;

    fr_text_buffer_append(out, url, len);
    if (*query == '\0' || server_url_has(url, query, name))
        return;
    fr_text_buffer_byte(out, memchr(url, '?', len) != NULL ? '&' : '?');
    fr_text_buffer_add(out, query);
}

void server_url_add_token(const char *url, const char *token, size_t len,
                          struct fr_text_buffer *out)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    server_url_add_query(url, "token=", out);
    for (size_t i = 0; i < len; i++) {
        if (token[i] != '\0' && strchr(plain, token[i]) != NULL)
            fr_text_buffer_byte(out, token[i]);
        else
            fr_text_buffer_printf(out, "%%%02X", (unsigned)(unsigned char)token[i]);
    }
}
