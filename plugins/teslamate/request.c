#include "teslamate/request.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "ingest/websocket_key.h"

#define LENGTH_DIGITS_MAX 8

/* The content of the lines that were read. */
struct head {
    struct request *request;
    bool connection_upgrade, upgrade_websocket, close;
    bool has_length, has_host, http_1_0;
};

/* ---- texts ----------------------------------------------------------------------- */

/* The characters of a token (RFC 9110, 5.6.2). */
static bool request_is_token_char(unsigned char c)
{
    return isalnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static size_t request_word_len(const char *text)
{
    size_t n = 0;

    while (request_is_token_char((unsigned char)text[n]))
        n++;
    return n;
}

/* Whether a comma-separated list contains the word, in any case of letters. */
static bool request_list_contains(const char *list, const char *word)
{
    while (*list != '\0') {
        size_t len;

        list += strspn(list, " \t,");
        len = request_word_len(list);
        if (len == strlen(word) && strncasecmp(list, word, len) == 0)
            return true;
        list += len;
        list += strcspn(list, ",");
    }
    return false;
}

static int request_hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Decode a value of a form. False: it is malformed or too long. */
static bool request_decode(const char *from, size_t len, char *to, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        int c = (unsigned char)from[i];

        if (c == '+')
            c = ' ';
        else if (c == '%') {
            int high = i + 2 < len ? request_hex_digit(from[i + 1]) : -1;
            int low = i + 2 < len ? request_hex_digit(from[i + 2]) : -1;

            if (high < 0 || low < 0)
                return false;
            c = high * 16 + low;
            i += 2;
        }
        if (c == '\0' || n + 1 >= size)
            return false;
        to[n++] = (char)c;
    }
    to[n] = '\0';
    return true;
}

bool request_form_value(const char *form, size_t len, const char *name, char *value, size_t size)
{
    size_t name_len = strlen(name);
    const char *end = form + len;

    value[0] = '\0';
    while (form < end) {
        const char *stop = memchr(form, '&', (size_t)(end - form));
        size_t pair = (size_t)((stop != NULL ? stop : end) - form);

        if (pair > name_len && memcmp(form, name, name_len) == 0 && form[name_len] == '=') {
            bool ok = request_decode(form + name_len + 1, pair - name_len - 1, value, size);

            if (!ok)
                value[0] = '\0';
            return ok;
        }
        if (stop == NULL)
            break;
        form = stop + 1;
    }
    return false;
}

/* ---- headers --------------------------------------------------------------------- */

static void request_read_bearer(struct request *request, const char *value)
{
    size_t len;

    if (strncasecmp(value, "Bearer ", 7) != 0 || request->token[0] != '\0')
        return;
    value += 7 + strspn(value + 7, " ");
    len = strlen(value);
    if (len < sizeof request->token)
        memcpy(request->token, value, len + 1);
}

/* Read a Content-Length. A length that differs from an earlier one, or is none, gets a status. */
static void request_read_length(struct head *head, const char *value)
{
    size_t length = 0, digits = strspn(value, "0123456789");

    if (digits == 0 || value[digits] != '\0') {
        head->request->status = 400;
        return;
    }
    for (size_t i = 0; i < digits && i < LENGTH_DIGITS_MAX; i++)
        length = length * 10 + (size_t)(value[i] - '0');
    if (digits > LENGTH_DIGITS_MAX || length > REQUEST_CONTENT_MAX)
        head->request->status = 413;
    else if (head->has_length && length != head->request->content_len)
        head->request->status = 400;
    head->request->content_len = length;
    head->has_length = true;
}

static void request_read_header(struct head *head, const char *name, const char *value)
{
    struct request *request = head->request;

    if (strcasecmp(name, "Authorization") == 0)
        request_read_bearer(request, value);
    else if (strcasecmp(name, "Content-Length") == 0)
        request_read_length(head, value);
    else if (strcasecmp(name, "Transfer-Encoding") == 0)
        request->status = 501;
    else if (strcasecmp(name, "Upgrade") == 0)
        head->upgrade_websocket |= request_list_contains(value, "websocket");
    else if (strcasecmp(name, "Connection") == 0) {
        head->connection_upgrade |= request_list_contains(value, "upgrade");
        head->close |= request_list_contains(value, "close");
    } else if (strcasecmp(name, "Sec-WebSocket-Version") == 0)
        request->version_13 |= request_list_contains(value, "13");
    else if (strcasecmp(name, "Sec-WebSocket-Key") == 0 && fr_websocket_key_is_valid(value))
        request->key = value;
    else if (strcasecmp(name, "Expect") == 0)
        request->expect |= request_list_contains(value, "100-continue");
    else if (strcasecmp(name, "Host") == 0) {
        if (head->has_host)
            request->status = 400;
        head->has_host = true;
    }
}

/* Split "Name: value", with its NUL at `end`. False: it is malformed. */
static bool request_split_header(struct head *head, char *line, char *end)
{
    char *colon = memchr(line, ':', (size_t)(end - line)), *value;

    if (colon == NULL || colon == line)
        return false;
    *colon = '\0';
    if (request_word_len(line) != (size_t)(colon - line))
        return false;
    for (value = colon + 1; value < end; value++)
        if ((unsigned char)*value < 0x20 ? *value != '\t' : *value == 0x7f)
            return false;
    while (end > colon + 1 && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *end = '\0';
    request_read_header(head, line, colon + 1 + strspn(colon + 1, " \t"));
    return true;
}

/* ---- the request line ------------------------------------------------------------ */

/* Split the target into path and query. False: it is not in the origin form. */
static bool request_read_target(struct request *request, char *target)
{
    char *query;

    if (*target != '/')
        return false;
    for (const char *c = target; *c != '\0'; c++)
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7f)
            return false;
    request->path = target;
    query = strchr(target, '?');
    if (query == NULL)
        return true;
    *query++ = '\0';
    request_form_value(query, strlen(query), "token", request->token, sizeof request->token);
    return true;
}

/* Read "METHOD target HTTP/1.1", NUL-terminated. Returns 0 or a status. */
static int request_read_first_line(struct head *head, char *line)
{
    struct request *request = head->request;
    char *target = strchr(line, ' '), *version = target != NULL ? strchr(target + 1, ' ') : NULL;

    if (version == NULL)
        return 400;
    *target++ = '\0';
    *version++ = '\0';
    if (line[0] == '\0' || request_word_len(line) != strlen(line))
        return 400;
    if (strncmp(version, "HTTP/", 5) != 0)
        return 400;
    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
        return 505;
    head->http_1_0 = version[7] == '0';
    request->method = strcmp(line, "GET") == 0    ? REQUEST_GET
                      : strcmp(line, "HEAD") == 0 ? REQUEST_HEAD
                      : strcmp(line, "POST") == 0 ? REQUEST_POST
                                                  : REQUEST_OTHER;
    return request_read_target(request, target) ? 0 : 400;
}

/* ---- the head -------------------------------------------------------------------- */

/* The end of the line that starts at `at`, without CR LF or LF; *next is the next line. */
static char *request_line_end(char *at, char *end, char **next)
{
    char *newline = memchr(at, '\n', (size_t)(end - at));

    *next = newline + 1;
    return newline > at && newline[-1] == '\r' ? newline - 1 : newline;
}

static int request_read_lines(struct head *head, char *at, char *end)
{
    char *next, *line_end = request_line_end(at, end, &next);
    int status;

    if (memchr(at, '\0', (size_t)(end - at)) != NULL)
        return 400;
    *line_end = '\0';
    status = request_read_first_line(head, at);
    if (status != 0)
        return status;
    for (at = next; at < end; at = next) {
        line_end = request_line_end(at, end, &next);
        if (line_end == at)
            break;
        if (!request_split_header(head, at, line_end))
            return 400;
    }
    if (!head->has_host && !head->http_1_0)
        return 400;
    return head->request->status;
}

size_t request_read(char *bytes, size_t len, struct request *request)
{
    struct head head = {.request = request};
    size_t size = fr_http_head_len(bytes, len);

    memset(request, 0, sizeof *request);
    request->path = request->key = "";
    if (size == 0 && len <= FR_HTTP_HEAD_MAX)
        return 0;
    request->status =
        size == 0 || size > FR_HTTP_HEAD_MAX ? 431 : request_read_lines(&head, bytes, bytes + size);
    request->upgrade = head.upgrade_websocket && head.connection_upgrade;
    request->keep_alive = request->status == 0 && !head.http_1_0 && !head.close;
    return size != 0 ? size : len;
}
