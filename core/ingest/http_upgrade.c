#include "ingest/http_upgrade.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define WEBSOCKET_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_LEN 24 /* 16 bytes in base64 */

struct slice {
    const char *text;
    size_t len;
};

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (s.text[0] == ' ' || s.text[0] == '\t'))
        s.text++, s.len--;
    while (s.len > 0 && (s.text[s.len - 1] == ' ' || s.text[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static bool is(struct slice s, const char *word)
{
    return s.len == strlen(word) && strncasecmp(s.text, word, s.len) == 0;
}

/* Whether a comma-separated list names the word. */
static bool lists(struct slice list, const char *word)
{
    while (list.len > 0) {
        const char *comma = memchr(list.text, ',', list.len);
        size_t len = comma != NULL ? (size_t)(comma - list.text) : list.len;

        if (is(trim((struct slice){list.text, len}), word))
            return true;
        len += comma != NULL;
        list.text += len;
        list.len -= len;
    }
    return false;
}

/* Copy printable ASCII, cut to the room there is. */
static void copy(char *to, size_t size, struct slice s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len && n + 1 < size; i++)
        if (s.text[i] >= 0x20 && s.text[i] < 0x7f)
            to[n++] = s.text[i];
    to[n] = '\0';
}

static bool is_uuid(struct slice s)
{
    if (s.len != 36)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? s.text[i] != '-' : !isxdigit((unsigned char)s.text[i]))
            return false;
    }
    return true;
}

static bool is_key(struct slice s)
{
    if (s.len != KEY_LEN || s.text[KEY_LEN - 1] != '=' || s.text[KEY_LEN - 2] != '=')
        return false;
    for (size_t i = 0; i < KEY_LEN - 2; i++)
        if (!isalnum((unsigned char)s.text[i]) && s.text[i] != '+' && s.text[i] != '/')
            return false;
    return true;
}

static void read_request_line(struct slice line, struct fr_http_request *request)
{
    const char *space = memchr(line.text, ' ', line.len), *end = line.text + line.len;
    const char *second = space != NULL ? memchr(space + 1, ' ', (size_t)(end - space - 1)) : NULL;

    if (second == NULL || second == space + 1 || space[1] != '/' ||
        strncmp(second + 1, "HTTP/1.1", (size_t)(end - second - 1)) != 0 || end - second != 9) {
        request->status = 400;
        return;
    }
    request->is_get = is((struct slice){line.text, (size_t)(space - line.text)}, "GET");
    copy(request->path, sizeof request->path,
         (struct slice){space + 1, (size_t)(second - space - 1)});
}

static void read_header(struct slice line, struct fr_http_request *request, bool *connection)
{
    const char *colon = memchr(line.text, ':', line.len);
    struct slice name, value;

    if (colon == NULL || colon == line.text || line.text[0] == ' ' || line.text[0] == '\t') {
        request->status = 400;
        return;
    }
    name = (struct slice){line.text, (size_t)(colon - line.text)};
    value = trim((struct slice){colon + 1, line.len - name.len - 1});
    if (is(name, "Upgrade"))
        request->upgrade = lists(value, "websocket");
    else if (is(name, "Connection"))
        *connection = *connection || lists(value, "upgrade");
    else if (is(name, "Sec-WebSocket-Version"))
        request->version_13 = is(value, "13");
    else if (is(name, "Sec-WebSocket-Key") && is_key(value))
        copy(request->key, sizeof request->key, value);
    else if (is(name, "Version"))
        copy(request->client_version, sizeof request->client_version, value);
    else if (is(name, "X-TXID") && is_uuid(value))
        copy(request->connection_id, sizeof request->connection_id, value);
    else if (is(name, "X-Network-Interface"))
        copy(request->network_interface, sizeof request->network_interface, value);
    else if (is(name, "User-Agent"))
        copy(request->user_agent, sizeof request->user_agent, value);
}

/* Where the line that starts at `at` ends (its CR LF or LF), or NULL. */
static const char *line_end(const char *at, const char *end, size_t *skip)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));

    if (newline == NULL)
        return NULL;
    *skip = 1;
    if (newline > at && newline[-1] == '\r') {
        newline--;
        *skip = 2;
    }
    return newline;
}

bool fr_http_head_may_end(const char *bytes, size_t len, size_t before)
{
    size_t from = before > 2 ? before - 2 : 0; /* a line's end may be in both parts */

    for (size_t i = from; i + 1 < len; i++)
        if (bytes[i] == '\n' &&
            (bytes[i + 1] == '\n' || (i + 2 < len && bytes[i + 1] == '\r' && bytes[i + 2] == '\n')))
            return true;
    return len > FR_HTTP_HEAD_MAX;
}

size_t fr_http_request_read(const char *bytes, size_t len, struct fr_http_request *request)
{
    const char *at = bytes, *end = bytes + len, *finish;
    bool connection = false, first = true;
    size_t skip;

    memset(request, 0, sizeof *request);
    while ((finish = line_end(at, end, &skip)) != NULL) {
        struct slice line = {at, (size_t)(finish - at)};

        at = finish + skip;
        if (line.len == 0 && !first) {
            request->upgrade = request->upgrade && connection;
            if ((size_t)(at - bytes) > FR_HTTP_HEAD_MAX)
                request->status = 431;
            return (size_t)(at - bytes);
        }
        if (first)
            read_request_line(line, request);
        else
            read_header(line, request, &connection);
        first = false;
        if (request->status != 0)
            return (size_t)(at - bytes);
    }
    if (len > FR_HTTP_HEAD_MAX) {
        request->status = 431;
        return len;
    }
    return 0;
}

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

void fr_http_answer(struct fr_buffer *out, int status, const char *text)
{
    const char *reason = status == 200   ? "OK"
                         : status == 403 ? "Forbidden"
                         : status == 405 ? "Method Not Allowed"
                         : status == 426 ? "Upgrade Required"
                         : status == 431 ? "Request Header Fields Too Large"
                         : status == 503 ? "Service Unavailable"
                                         : "Bad Request";

    fr_buffer_printf(out,
                     "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                     "%sConnection: close\r\n\r\n%s",
                     status, reason, strlen(text),
                     status == 426 ? "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" : "",
                     text);
}
