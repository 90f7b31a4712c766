#include "ingest/http_upgrade.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define WEBSOCKET_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_LEN 24 /* 16 bytes in base64 */

void fr_http_accept_key(const char *key, char accept[32])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[KEY_LEN + sizeof WEBSOCKET_GUID + 8];
    int n = snprintf(text, sizeof text, "%.24s%s", key, WEBSOCKET_GUID);

    accept[0] = '\0';
    if (EVP_Digest(text, (size_t)n, digest, NULL, EVP_sha1(), NULL) == 1)
        EVP_EncodeBlock((unsigned char *)accept, digest, 20);
}

void fr_http_accept(struct fr_buffer *out, const char *key)
{
    char accept[32];

    fr_http_accept_key(key, accept);
    fr_buffer_printf(out,
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                     accept);
}

static const char *upgrade_reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 417:
        return "Expectation Failed";
    case 426:
        return "Upgrade Required";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Bad Request";
    }
}

void fr_http_answer(struct fr_buffer *out, int status, const char *text, bool to_head)
{
    const char *more = status == 426   ? "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                       : status == 400 ? "Sec-WebSocket-Version: 13\r\n"
                       : status == 405 ? "Allow: GET\r\n"
                                       : "";

    fr_buffer_printf(out,
                     "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                     "%sConnection: close\r\n\r\n%s",
                     status, upgrade_reason(status), strlen(text), more, to_head ? "" : text);
}
