#include "admin/http_query.h"

#include <string.h>

#include "util/utf8.h"

/* The value of a hexadecimal digit; -1: it is none. */
static int query_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool query_is_text(const char *text, size_t len)
{
    for (size_t i = 0, n; i < len; i += n) {
        n = fr_utf8_length((const uint8_t *)text + i, len - i);
        if (n == 0 || (n == 1 && ((uint8_t)text[i] < ' ' || text[i] == 0x7f)))
            return false;
        /* U+0080 to U+009F are control characters too. */
        if (n == 2 && (uint8_t)text[i] == 0xc2 && (uint8_t)text[i + 1] < 0xa0)
            return false;
    }
    return true;
}

/* Decode `len` bytes. Returns false with an empty `value` if they are malformed. */
static bool query_decode(const char *text, size_t len, bool plus_is_space, char *value, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        int byte = (unsigned char)text[i];

        if (text[i] == '%') {
            int high = i + 2 < len ? query_digit(text[i + 1]) : -1;
            int low = high >= 0 ? query_digit(text[i + 2]) : -1;

            byte = low >= 0 ? high * 16 + low : -1;
            i += 2;
        } else if (text[i] == '+' && plus_is_space)
            byte = ' ';
        if (byte <= 0 || n + 1 >= size) {
            value[0] = '\0';
            return false;
        }
        value[n++] = (char)byte;
    }
    value[n] = '\0';
    if (query_is_text(value, n))
        return true;
    value[0] = '\0';
    return false;
}

enum fr_http_found fr_http_query_text(const char *query, const char *key, char *value, size_t size)
{
    size_t key_len = strlen(key), len;

    value[0] = '\0';
    for (; query[0] != '\0'; query += len + (query[len] == '&')) {
        len = strcspn(query, "&");
        if (len > key_len && query[key_len] == '=' && strncmp(query, key, key_len) == 0)
            return query_decode(query + key_len + 1, len - key_len - 1, true, value, size)
                       ? FR_HTTP_FOUND
                       : FR_HTTP_MALFORMED;
    }
    return FR_HTTP_ABSENT;
}

bool fr_http_query_number(const char *query, const char *key, int64_t min, int64_t max,
                          int64_t default_value, int64_t *number)
{
    char text[24];
    const char *digit = text;
    int64_t sum = 0;
    bool negative;

    *number = default_value;
    if (fr_http_query_text(query, key, text, sizeof text) == FR_HTTP_MALFORMED)
        return false;
    if (text[0] == '\0')
        return true;
    negative = text[0] == '-';
    digit += negative;
    if (*digit == '\0')
        return false;
    for (; *digit >= '0' && *digit <= '9'; digit++) {
        if (sum > (INT64_MAX - 9) / 10)
            return false;
        sum = sum * 10 + (*digit - '0');
    }
    sum = negative ? -sum : sum;
    if (*digit != '\0' || sum < min || sum > max)
        return false;
    *number = sum;
    return true;
}

static bool query_is_part(const char *part, size_t len)
{
    return len != 0 && !(len == 1 && part[0] == '.') &&
           !(len == 2 && part[0] == '.' && part[1] == '.');
}

/* Whether no part of a decoded path is empty, "." or "..", and none has a backslash. */
static bool query_is_path(const char *path, bool one_part)
{
    size_t len;

    if (strchr(path, '\\') != NULL || (one_part && strchr(path, '/') != NULL))
        return false;
    for (;; path += len + 1) {
        len = strcspn(path, "/");
        if (!query_is_part(path, len))
            return false;
        if (path[len] == '\0')
            return true;
    }
}

enum fr_http_match fr_http_path_match(const char *pattern, const char *path, char *segment)
{
    size_t fixed = strcspn(pattern, "{*"), len;
    const char *rest = path + fixed, *behind;
    bool one_part = pattern[fixed] == '{';

    segment[0] = '\0';
    if (pattern[fixed] == '\0')
        return strcmp(pattern, path) == 0 ? FR_HTTP_MATCH : FR_HTTP_NO_MATCH;
    if (strncmp(pattern, path, fixed) != 0)
        return FR_HTTP_NO_MATCH;
    behind = one_part ? strchr(pattern + fixed, '}') + 1 : "";
    len = one_part ? strcspn(rest, "/") : strlen(rest);
    if (len == 0 || strcmp(rest + len, behind) != 0)
        return FR_HTTP_NO_MATCH;
    if (query_decode(rest, len, false, segment, FR_HTTP_SEGMENT_SIZE) &&
        query_is_path(segment, one_part))
        return FR_HTTP_MATCH;
    segment[0] = '\0';
    return FR_HTTP_BAD_SEGMENT;
}
