#include "record/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 64 /* longer than any double that a vehicle writes */

bool fr_text_is_utf8(const uint8_t *s, size_t len)
{
    const uint8_t *end = s + len;

    while (s < end) {
        uint32_t code;
        unsigned more;

        if (*s < 0x80) {
            s++;
            continue;
        }
        if ((*s & 0xe0) == 0xc0)
            more = 1, code = *s & 0x1fu;
        else if ((*s & 0xf0) == 0xe0)
            more = 2, code = *s & 0x0fu;
        else if ((*s & 0xf8) == 0xf0)
            more = 3, code = *s & 0x07u;
        else
            return false;
        if ((size_t)(end - s) <= more)
            return false;
        for (unsigned i = 1; i <= more; i++) {
            if ((s[i] & 0xc0) != 0x80)
                return false;
            code = code << 6 | (s[i] & 0x3fu);
        }
        if (code < (more == 1   ? 0x80u
                    : more == 2 ? 0x800u
                                : 0x10000u) ||
            code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return false;
        s += more + 1;
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

void fr_text_unquote(const char **text, size_t *len)
{
    for (;;) {
        if (*len > 0 && is_blank((*text)[0]))
            (*text)++, (*len)--;
        else if (*len > 0 && is_blank((*text)[*len - 1]))
            (*len)--;
        else if (*len >= 2 && (*text)[0] == '"' && (*text)[*len - 1] == '"')
            (*text)++, *len -= 2;
        else
            return;
    }
}

bool fr_text_to_real(const char *text, size_t len, double *number)
{
    char copy[NUMBER_MAX + 1];
    char *end;

    fr_text_unquote(&text, &len);
    if (len == 0 || len > NUMBER_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_digit(text[i]) && strchr("+-.eE", text[i]) == NULL)
            return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    *number = strtod(copy, &end);
    return *end == '\0' && isfinite(*number);
}

/* Reads "<digits> <letter>" and returns what is behind it, or NULL. */
static const char *read_degrees(const char *at, const char *end, const char *letters, double most,
                                double *degrees)
{
    const char *start = at;

    while (at < end && (is_digit(*at) || *at == '.'))
        at++;
    if (!fr_text_to_real(start, (size_t)(at - start), degrees) || *degrees > most)
        return NULL;
    while (at < end && is_blank(*at))
        at++;
    if (at == end || (*at != letters[0] && *at != letters[1]))
        return NULL;
    if (*at == letters[1])
        *degrees = -*degrees;
    return at + 1;
}

bool fr_text_to_location(const char *text, size_t len, double *latitude, double *longitude)
{
    const char *at, *end;

    fr_text_unquote(&text, &len);
    if (len < 2 || text[0] != '(' || text[len - 1] != ')')
        return false;
    end = text + len - 1;
    at = read_degrees(text + 1, end, "NS", 90, latitude);
    if (at == NULL || at == end || *at++ != ',')
        return false;
    while (at < end && is_blank(*at))
        at++;
    return read_degrees(at, end, "EW", 180, longitude) == end;
}

bool fr_text_is_scientific(const char *text, size_t len)
{
    const char *at = text, *end = text + len;
    size_t before = 0, behind = 0;

    if (at < end && (*at == '+' || *at == '-'))
        at++;
    for (; at < end && is_digit(*at); at++)
        before++;
    if (at == end || *at++ != '.')
        return false;
    for (; at < end && is_digit(*at); at++)
        behind++;
    if (before + behind == 0)
        return false;
    if (at == end || (*at != 'e' && *at != 'E'))
        return false;
    at++;
    if (at < end && (*at == '+' || *at == '-'))
        at++;
    if (at == end)
        return false;
    for (; at < end; at++)
        if (!is_digit(*at))
            return false;
    return true;
}
