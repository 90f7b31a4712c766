#include "record/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/utf8.h"

#define NUMBER_MAX 64 /* max length of a number in bytes */

bool fr_text_is_utf8(const uint8_t *s, size_t len)
{
    size_t at = 0, size = 1;
    uint64_t word;

    /* Most texts are ASCII; eight ASCII bytes are checked at a time. */
    while (len - at >= sizeof word &&
           (memcpy(&word, s + at, sizeof word), word & UINT64_C(0x8080808080808080)) == 0)
        at += sizeof word;
    for (; at < len && size != 0; at += size)
        size = fr_utf8_length(s + at, len - at);
    return size != 0;
}

static bool text_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool text_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

void fr_text_unquote(const char **text, size_t *len)
{
    for (;;) {
        if (*len > 0 && text_is_blank((*text)[0]))
            (*text)++, (*len)--;
        else if (*len > 0 && text_is_blank((*text)[*len - 1]))
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
        if (!text_is_digit(text[i]) && strchr("+-.eE", text[i]) == NULL)
            return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    *number = strtod(copy, &end);
    return *end == '\0' && isfinite(*number);
}

/* Parse "<digits> <letter>"; the second of `letters` negates the degrees. Returns the position
 * behind the letter, or NULL. */
static const char *text_read_degrees(const char *at, const char *end, const char *letters,
                                     double max, double *degrees)
{
    const char *start = at;

    while (at < end && (text_is_digit(*at) || *at == '.'))
        at++;
    if (!fr_text_to_real(start, (size_t)(at - start), degrees) || *degrees > max)
        return NULL;
    while (at < end && text_is_blank(*at))
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
    at = text_read_degrees(text + 1, end, "NS", 90, latitude);
    if (at == NULL || at == end || *at++ != ',')
        return false;
    while (at < end && text_is_blank(*at))
        at++;
    return text_read_degrees(at, end, "EW", 180, longitude) == end;
}

/* ---- locations as Tesla's server reads them --------------------------------------- */

static bool text_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r';
}

static const char *text_skip_spaces(const char *at, const char *end)
{
    while (at < end && text_is_space(*at))
        at++;
    return at;
}

static const char *text_skip_digits(const char *at, const char *end)
{
    while (at < end && text_is_digit(*at))
        at++;
    return at;
}

/* Read the verb %f of Go's Sscanf(), without hexadecimal numbers, NaN and infinities. Returns the
 * position behind the number, or NULL. */
static const char *text_scan_real(const char *at, const char *end, double *number)
{
    char copy[4 * NUMBER_MAX], *stop;
    const char *start = at;
    size_t len;

    if (at < end && (*at == '+' || *at == '-'))
        at++;
    at = text_skip_digits(at, end);
    if (at < end && *at == '.')
        at = text_skip_digits(at + 1, end);
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        at = text_skip_digits(at, end);
    }
    len = (size_t)(at - start);
    if (len == 0 || len >= sizeof copy)
        return NULL;
    memcpy(copy, start, len);
    copy[len] = '\0';
    *number = strtod(copy, &stop);
    return stop == copy + len && isfinite(*number) ? at : NULL;
}

/* Read "%f %1s" and the character behind it. The second of `letters` negates the number. */
static const char *text_scan_degrees(const char *at, const char *end, const char *letters,
                                     char behind, double *degrees)
{
    const char *number_end = text_scan_real(text_skip_spaces(at, end), end, degrees);

    if (number_end == NULL)
        return NULL;
    at = text_skip_spaces(number_end, end);
    if (at == number_end || end - at < 2 || (at[0] != letters[0] && at[0] != letters[1]) ||
        at[1] != behind)
        return NULL;
    if (at[0] == letters[1])
        *degrees = -*degrees;
    return at + 2;
}

bool fr_text_tesla_location(const char *text, size_t len, double *latitude, double *longitude)
{
    const char *at, *end = text + len;

    if (len == 0 || text[0] != '(')
        return false;
    at = text_scan_degrees(text + 1, end, "NS", ',', latitude);
    return at != NULL && at < end && text_is_space(*at) &&
           text_scan_degrees(at, end, "EW", ')', longitude) != NULL;
}

bool fr_text_tesla_decimal(const char *text, size_t len, char decimal[FR_TESLA_DECIMAL_SIZE])
{
    char *copy;
    float number;

    if (!fr_text_is_scientific(text, len) || (copy = malloc(len + 1)) == NULL)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    number = strtof(copy, NULL);
    free(copy);
    if (!isfinite(number))
        return false;
    snprintf(decimal, FR_TESLA_DECIMAL_SIZE, "%.5f", (double)number);
    return true;
}

bool fr_text_is_scientific(const char *text, size_t len)
{
    const char *at = text, *end = text + len;
    size_t integer_digits = 0, decimals = 0;

    if (at < end && (*at == '+' || *at == '-'))
        at++;
    for (; at < end && text_is_digit(*at); at++)
        integer_digits++;
    if (at == end || *at++ != '.')
        return false;
    for (; at < end && text_is_digit(*at); at++)
        decimals++;
    if (integer_digits + decimals == 0)
        return false;
    if (at == end || (*at != 'e' && *at != 'E'))
        return false;
    at++;
    if (at < end && (*at == '+' || *at == '-'))
        at++;
    if (at == end)
        return false;
    for (; at < end; at++)
        if (!text_is_digit(*at))
            return false;
    return true;
}
