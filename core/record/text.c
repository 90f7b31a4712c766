#include "record/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "util/utf8.h"

#define NUMBER_MAX 64 /* longer than any double that a vehicle writes */

bool fr_text_is_utf8(const uint8_t *s, size_t len)
{
    size_t at = 0, size = 1;
    uint64_t word;

    /* Most texts are ASCII, of which eight bytes are looked at together. */
    while (len - at >= sizeof word &&
           (memcpy(&word, s + at, sizeof word), word & UINT64_C(0x8080808080808080)) == 0)
        at += sizeof word;
    for (; at < len && size != 0; at += size)
        size = fr_utf8_length(s + at, len - at);
    return size != 0;
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
