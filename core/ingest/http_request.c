#include "ingest/http_request.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/server_types.h"
#include "ingest/http_head.h"
#include "ingest/http_target.h"
#include "ingest/websocket_key.h"

#define UUID_LEN 36

/* Headers of which the first value counts. */
enum text_header {
    TEXT_KEY,
    TEXT_VERSION,
    TEXT_INTERFACE,
    TEXT_AGENT,
    TEXT_TXID,
    TEXT_HOST,
    TEXT_LENGTH,
    TEXT_EXPECT,
    TEXT_HEADERS,
};

static const char *const text_names[TEXT_HEADERS] = {
    "Sec-WebSocket-Key", "Version", "X-Network-Interface", "User-Agent", "X-TXID", "Host",
    "Content-Length",    "Expect",
};

static const char public_key_target[] = "/" FR_PUBLIC_KEY_PATH;

/* What a head has said so far. */
struct head {
    struct fr_http_request *request;
    const char *texts[TEXT_HEADERS]; /* NULL: there is no such header */
    unsigned hosts, encodings;       /* number of Host and Transfer-Encoding headers */
    bool connection_upgrade, upgrade_websocket;
    bool chunked;
    bool lengths_differ;
    char major; /* first digit of the HTTP version */
};

/* ---- header values --------------------------------------------------------------- */

/* The characters of a token (RFC 9110, 5.6.2): of methods, header names and list elements. */
static bool request_is_token_char(unsigned char c)
{
    return isalnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static size_t request_token_len(const char *text, size_t len)
{
    size_t n = 0;

    while (n < len && request_is_token_char((unsigned char)text[n]))
        n++;
    return n;
}

/* Whether a comma-separated list contains the word, in any case of letters. Empty elements are ignored;
 * the list ends at the first element that is not a token. */
static bool request_list_contains(const char *list, const char *word)
{
    const char *after;
    size_t len;

    for (;;) {
        list += strspn(list, " \t,");
        len = request_token_len(list, strlen(list));
        if (len == 0)
            return false;
        after = list + len + strspn(list + len, " \t");
        if (*after != '\0' && *after != ',')
            return false;
        if (len == strlen(word) && strncasecmp(list, word, len) == 0)
            return true;
        list = after;
    }
}

/* Write a UUID in lower case with dashes. As in Tesla's server it may have the prefix "urn:uuid:", any
 * two characters around it, or no dashes. A text that is none becomes "". */
static void request_read_uuid(const char *text, char uuid[UUID_LEN + 1])
{
    size_t len = strlen(text);
    bool dashes = len != 32;

    uuid[0] = '\0';
    if (len == UUID_LEN + 9 && strncasecmp(text, "urn:uuid:", 9) == 0)
        text += 9;
    else if (len == UUID_LEN + 2)
        text++;
    else if (len != UUID_LEN && len != 32)
        return;
    for (size_t i = 0; i < UUID_LEN; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (dashes && *text++ != '-')
                break;
            uuid[i] = '-';
        } else if (isxdigit((unsigned char)*text))
            uuid[i] = (char)tolower((unsigned char)*text++);
        else
            break;
        uuid[i + 1] = '\0';
    }
    if (strlen(uuid) != UUID_LEN)
        uuid[0] = '\0';
}

static bool request_host_valid(const char *host)
{
    for (; *host != '\0'; host++)
        if (!isalnum((unsigned char)*host) && strchr("!$%&()*+,-.:;='[]_~", *host) == NULL)
            return false;
    return true;
}

/* Parse a Content-Length. -1: it is not a number, or more than INT64_MAX. */
static int64_t request_content_length(const char *text)
{
    int64_t number = 0;

    if (*text == '\0')
        return -1;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || number > (INT64_MAX - (*text - '0')) / 10)
            return -1;
        number = number * 10 + (*text - '0');
    }
    return number;
}

/* ---- lines ----------------------------------------------------------------------- */

static void request_read_header(struct head *head, const char *name, const char *value)
{
    struct fr_http_request *request = head->request;

    for (size_t i = 0; i < TEXT_HEADERS; i++) {
        if (strcasecmp(name, text_names[i]) != 0)
            continue;
        if (i == TEXT_LENGTH && head->texts[i] != NULL && strcmp(value, head->texts[i]) != 0)
            head->lengths_differ = true;
        head->hosts += i == TEXT_HOST;
        if (head->texts[i] == NULL)
            head->texts[i] = value;
        return;
    }
    if (strcasecmp(name, "Upgrade") == 0)
        head->upgrade_websocket |= request_list_contains(value, "websocket");
    else if (strcasecmp(name, "Connection") == 0)
        head->connection_upgrade |= request_list_contains(value, "upgrade");
    else if (strcasecmp(name, "Sec-WebSocket-Version") == 0)
        request->version_13 |= request_list_contains(value, "13");
    else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        head->encodings++;
        head->chunked = strcasecmp(value, "chunked") == 0;
    }
}

/* Read "METHOD target HTTP/1.1". -1: it is malformed. */
static int request_read_first_line(struct head *head, char *line, size_t len)
{
    struct fr_http_request *request = head->request;
    char *end = line + len, *space = memchr(line, ' ', len), *second, *version;
    size_t method;

    if (space == NULL)
        return -1;
    second = memchr(space + 1, ' ', (size_t)(end - space - 1));
    method = (size_t)(space - line);
    if (second == NULL || method == 0 || request_token_len(line, method) != method)
        return -1;
    version = second + 1;
    if (end - version != 8 || strncmp(version, "HTTP/", 5) != 0 || version[6] != '.' ||
        !isdigit((unsigned char)version[5]) || !isdigit((unsigned char)version[7]))
        return -1;
    head->major = version[5];
    request->is_http_1_0 = version[5] == '1' && version[7] == '0';
    request->is_get = method == 3 && strncmp(line, "GET", 3) == 0;
    request->is_head = method == 4 && strncmp(line, "HEAD", 4) == 0;
    request->is_public_key = second - space - 1 == (ptrdiff_t)strlen(public_key_target) &&
                             memcmp(space + 1, public_key_target, strlen(public_key_target)) == 0;
    return fr_http_target_read(space + 1, (size_t)(second - space - 1), &request->is_status);
}

/* The end of the line that starts at `at`, without its CR LF or LF; *next is the start of the next
 * line. The head has an empty line at its end, so there is a line. */
static char *request_line_end(char *at, char *end, char **next)
{
    char *newline = memchr(at, '\n', (size_t)(end - at));

    *next = newline + 1;
    return newline > at && newline[-1] == '\r' ? newline - 1 : newline;
}

static bool request_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static char *request_trim_end(char *start, char *end)
{
    while (end > start && request_is_blank(end[-1]))
        end--;
    return end;
}

/* Join the lines that continue the one that ends at `end`: one space stands for each line end and the
 * blanks around it. Returns the new end, and sets *next to the line after the last. */
static char *request_unfold(char *start, char *end, char *head_end, char **next)
{
    end = request_trim_end(start, end);
    while (*next < head_end && request_is_blank(**next)) {
        char *from = *next, *to = request_line_end(from, head_end, next);

        while (from < to && request_is_blank(*from))
            from++;
        to = request_trim_end(from, to);
        *end++ = ' ';
        memmove(end, from, (size_t)(to - from));
        end += to - from;
    }
    return end;
}

/* Split "Name: value", with its NUL at `end`, and read it. -1: it is malformed. */
static int request_split_header(struct head *head, char *line, char *end)
{
    char *colon = memchr(line, ':', (size_t)(end - line)), *value;
    size_t name;

    if (colon == NULL)
        return -1;
    name = (size_t)(colon - line);
    if (name == 0 || request_token_len(line, name) != name)
        return -1;
    for (value = colon + 1; value < end; value++)
        if ((unsigned char)*value < 0x20 ? *value != '\t' : *value == 0x7f)
            return -1;
    *colon = '\0';
    *end = '\0';
    request_read_header(head, line, colon + 1 + strspn(colon + 1, " \t"));
    return 0;
}

/* ---- the head -------------------------------------------------------------------- */

/* The status of a head whose lines are well-formed; 0: it is not refused. */
static int request_check(struct head *head)
{
    struct fr_http_request *request = head->request;
    const char *length = head->texts[TEXT_LENGTH], *expect = head->texts[TEXT_EXPECT];
    int64_t bytes = length != NULL ? request_content_length(length) : 0;

    if (head->hosts > 1)
        return 400;
    if (!request->is_http_1_0 && (head->encodings > 1 || (head->encodings == 1 && !head->chunked)))
        return 501;
    if (head->lengths_differ || bytes < 0)
        return 400;
    if (head->major != '1')
        return 505;
    if (!request->is_http_1_0 && head->hosts == 0)
        return 400;
    if (head->hosts == 1 && !request_host_valid(head->texts[TEXT_HOST]))
        return 400;
    if (expect != NULL && *expect != '\0' && !request_list_contains(expect, "100-continue"))
        return 417;
    request->has_content = bytes > 0 || (head->chunked && !request->is_http_1_0);
    return 0;
}

static int request_read_lines(struct head *head, char *at, char *end)
{
    char *next, *line_end = request_line_end(at, end, &next);

    if (request_read_first_line(head, at, (size_t)(line_end - at)) != 0 || request_is_blank(*next))
        return 400;
    for (at = next; at < end; at = next) {
        line_end = request_line_end(at, end, &next);
        if (line_end == at)
            break;
        /* The name ends in the first of the folded lines. */
        if (memchr(at, ':', (size_t)(line_end - at)) == NULL)
            return 400;
        line_end = request_unfold(at, line_end, end, &next);
        if (request_split_header(head, at, line_end) != 0)
            return 400;
    }
    return request_check(head);
}

size_t fr_http_request_read(char *bytes, size_t len, struct fr_http_request *request)
{
    struct head head = {.request = request, .major = '1'};
    size_t size = fr_http_head_len(bytes, len);
    const char *texts[TEXT_HEADERS];

    memset(request, 0, sizeof *request);
    if (size == 0 && len <= FR_HTTP_HEAD_MAX)
        return 0;
    request->status =
        size == 0 || size > FR_HTTP_HEAD_MAX ? 431 : request_read_lines(&head, bytes, bytes + size);
    for (size_t i = 0; i < TEXT_HEADERS; i++)
        texts[i] = head.texts[i] != NULL ? head.texts[i] : "";
    request->key = fr_websocket_key_is_valid(texts[TEXT_KEY]) ? texts[TEXT_KEY] : "";
    request->client_version = texts[TEXT_VERSION];
    request->network_interface = texts[TEXT_INTERFACE];
    request->user_agent = texts[TEXT_AGENT];
    request_read_uuid(texts[TEXT_TXID], request->connection_id);
    request->upgrade = head.upgrade_websocket && head.connection_upgrade;
    return size != 0 ? size : len;
}
