#include "util/json_text.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/utf8.h"

/* Seconds since 1970 of 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z. */
#define SECONDS_MIN (-INT64_C(62135596800))
#define SECONDS_MAX INT64_C(253402300799)

/* Append one character of `size` bytes as an escape sequence; size 0: an invalid byte. */
static void json_put_escaped(struct fr_buffer *out, const uint8_t *at, size_t size)
{
    if (size == 0)
        fr_buffer_text(out, "\\ufffd");
    else if (size == 2)
        fr_buffer_printf(out, "\\u%04x", (at[0] & 0x1fu) << 6 | (at[1] & 0x3fu));
    else if (*at == '"' || *at == '\\') {
        fr_buffer_byte(out, '\\');
        fr_buffer_byte(out, *at);
    } else if (*at == '\n')
        fr_buffer_text(out, "\\n");
    else
        fr_buffer_printf(out, "\\u%04x", *at);
}

/* Whether a character is one of the C1 control characters U+0080 to U+009F. */
static bool json_is_c1(const uint8_t *at, size_t size)
{
    return size == 2 && at[0] == 0xc2 && at[1] < 0xa0;
}

/* Whether a byte is printable ASCII that needs no escape. */
static bool json_is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void fr_json_string(struct fr_buffer *out, const char *text, size_t len)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t plain = 0, size;

    fr_buffer_byte(out, '"');
    for (size_t i = 0; i < len; i += size != 0 ? size : 1) {
        size = 1;
        if (json_is_plain(bytes[i]))
            continue;
        size = fr_utf8_length(bytes + i, len - i);
        if (size > 1 && !json_is_c1(bytes + i, size))
            continue;
        fr_buffer_append(out, text + plain, i - plain);
        plain = i + (size != 0 ? size : 1);
        json_put_escaped(out, bytes + i, size);
    }
    fr_buffer_append(out, text + plain, len - plain);
    fr_buffer_byte(out, '"');
}

/* Append the escape sequence that protojson uses for a character. */
static void json_put_tesla_escape(struct fr_buffer *out, char c)
{
    static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *at = memchr(named, c, sizeof named - 1);

    if (at != NULL)
        fr_buffer_printf(out, "\\%c", letters[at - named]);
    else
        fr_buffer_printf(out, "\\u%04x", (unsigned)(unsigned char)c);
}

void fr_json_tesla_string(struct fr_buffer *out, const char *text, size_t len)
{
    size_t plain = 0;

    fr_buffer_byte(out, '"');
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] >= 0x20 && text[i] != '"' && text[i] != '\\')
            continue;
        fr_buffer_append(out, text + plain, i - plain);
        json_put_tesla_escape(out, text[i]);
        plain = i + 1;
    }
    fr_buffer_append(out, text + plain, len - plain);
    fr_buffer_byte(out, '"');
}

#define DECIMALS_MAX 9 /* max decimals of a number that is written without printf(3) */

/* Write digits / 10^decimals to the bytes before `end`. Returns the address of the first character.
 */
static char *json_digits(char *end, uint64_t digits, int decimals)
{
    for (int i = 0; i <= decimals || digits != 0; i++) {
        if (i == decimals && decimals != 0)
            *--end = '.';
        *--end = (char)('0' + digits % 10);
        digits /= 10;
    }
    return end;
}

/* Append a number with at most 15 digits and DECIMALS_MAX decimals, which is the usual case.
 * Returns false, and appends nothing, for other numbers. No two numbers of 15 digits are the same
 * double, so the digits are those that the loop with printf(3) in fr_json_number() finds. */
static bool json_short_number(struct fr_buffer *out, double number)
{
    double size = fabs(number), scale = 1;
    char text[40], *end = text + sizeof text, *at;

    if (size != 0 && (size < 1e-4 || size >= 1e15))
        return false;
    for (int decimals = 0; decimals <= DECIMALS_MAX && size * scale < 1e15; decimals++) {
        double digits = rint(size * scale);

        if (digits / scale == size) {
            at = json_digits(end, (uint64_t)digits, decimals);
            if (number < 0)
                *--at = '-';
            fr_buffer_append(out, at, (size_t)(end - at));
            return true;
        }
        scale *= 10;
    }
    return false;
}

void fr_json_number(struct fr_buffer *out, double number)
{
    char text[40];

    if (!isfinite(number)) {
        fr_buffer_text(out, "null");
        return;
    }
    if (json_short_number(out, number))
        return;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    fr_buffer_text(out, text);
}

/* ---- numbers as in protojson ----------------------------------------------------- */

#define NOTATION_SIZE 32

static bool json_reads_back(const char *text, double size, bool is_float)
{
    return is_float ? strtof(text, NULL) == (float)size : strtod(text, NULL) == size;
}

/* Add 1 to the last digit of a notation d.ddde±xx. Returns false if a carry would leave the first
 * digit. */
static bool json_next_decimal(char *text)
{
    char *at = strchr(text, 'e');

    while (at-- != text) {
        if (*at == '.')
            continue;
        if (*at != '9') {
            ++*at;
            return true;
        }
        *at = '0';
    }
    return false;
}

/* Write the shortest notation d.ddde±xx of a positive number. A notation with 15 digits (6 for a
 * float) or fewer is unique for normal numbers. The next larger decimal is tried too: the numbers
 * below a power of two are twice as dense as those above, so it may read back where the nearest
 * decimal, which is smaller, does not. */
static void json_shortest(double size, bool is_float, char text[NOTATION_SIZE])
{
    bool normal = size >= (is_float ? (double)FLT_MIN : DBL_MIN);
    int digits = !normal ? 1 : is_float ? FLT_DIG : DBL_DIG;

    for (; digits <= 17; digits++) {
        snprintf(text, NOTATION_SIZE, "%.*e", digits - 1, size);
        if (json_reads_back(text, size, is_float))
            return;
        if (json_next_decimal(text) && json_reads_back(text, size, is_float))
            return;
    }
}

/* Append digits[0].digits[1…] times ten to the power of `exponent`, without an exponent. */
static void json_put_fixed(struct fr_buffer *out, const char *digits, int count, int exponent)
{
    if (exponent < 0)
        fr_buffer_text(out, "0.");
    for (int i = exponent + 1; i < 0; i++)
        fr_buffer_byte(out, '0');
    for (int i = 0; i < count || i <= exponent; i++) {
        if (i == exponent + 1 && i != 0)
            fr_buffer_byte(out, '.');
        fr_buffer_byte(out, i < count ? (uint8_t)digits[i] : '0');
    }
}

static void json_put_scientific(struct fr_buffer *out, const char *digits, int count, int exponent)
{
    fr_buffer_byte(out, (uint8_t)digits[0]);
    if (count > 1)
        fr_buffer_byte(out, '.');
    fr_buffer_append(out, digits + 1, (size_t)(count - 1));
    fr_buffer_printf(out, exponent < 0 ? "e-%d" : "e+%02d", abs(exponent));
}

void fr_json_tesla_number(struct fr_buffer *out, double number, bool is_float)
{
    double size = fabs(number);
    char text[NOTATION_SIZE], *e;
    int count, exponent;

    if (isnan(number)) {
        fr_buffer_text(out, "\"NaN\"");
        return;
    }
    if (isinf(number)) {
        fr_buffer_text(out, number > 0 ? "\"Infinity\"" : "\"-Infinity\"");
        return;
    }
    if (signbit(number))
        fr_buffer_byte(out, '-');
    if ((!is_float || (size < 0x1p24 && size == rint(size))) && json_short_number(out, size))
        return;
    json_shortest(size, is_float, text);
    e = strchr(text, 'e');
    exponent = (int)strtol(e + 1, NULL, 10);
    count = 1;
    if (text[1] == '.') {
        count = (int)(e - text) - 1;
        memmove(text + 1, text + 2, (size_t)(count - 1));
    }
    while (count > 1 && text[count - 1] == '0')
        count--;
    if (is_float ? (float)size < 1e-6f || (float)size >= 1e21f : size < 1e-6 || size >= 1e21)
        json_put_scientific(out, text, count, exponent);
    else
        json_put_fixed(out, text, count, exponent);
}

/* ---- times ----------------------------------------------------------------------- */

bool fr_json_rfc3339_fits(int64_t seconds, int32_t nanos)
{
    return seconds >= SECONDS_MIN && seconds <= SECONDS_MAX && nanos >= 0 && nanos <= 999999999;
}

/* Split a time into date and time of day, limited to the years 1 to 9999 of RFC 3339. */
static void json_date_of(int64_t seconds, struct tm *tm)
{
    time_t t = (time_t)(seconds < SECONDS_MIN   ? SECONDS_MIN
                        : seconds > SECONDS_MAX ? SECONDS_MAX
                                                : seconds);

    if (gmtime_r(&t, tm) == NULL)
        memset(tm, 0, sizeof *tm);
}

void fr_float_text(float number, char text[FR_FLOAT_TEXT_SIZE])
{
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, FR_FLOAT_TEXT_SIZE, "%.*g", digits, (double)number);
        if (strtof(text, NULL) == number)
            break;
    }
}

void fr_json_rfc3339(struct fr_buffer *out, int64_t seconds, int32_t nanos)
{
    struct tm tm;

    json_date_of(seconds, &tm);
    if (nanos < 0 || nanos > 999999999) /* not a fraction of a second */
        nanos = 0;
    fr_buffer_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                     tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (nanos % 1000 != 0)
        fr_buffer_printf(out, ".%09d", (int)nanos);
    else if (nanos % 1000000 != 0)
        fr_buffer_printf(out, ".%06d", (int)(nanos / 1000));
    else if (nanos != 0)
        fr_buffer_printf(out, ".%03d", (int)(nanos / 1000000));
    fr_buffer_byte(out, 'Z');
}

void fr_rfc3339_ms(struct fr_buffer *out, int64_t ms)
{
    int64_t seconds = ms / 1000 - (ms % 1000 < 0);
    struct tm tm;

    json_date_of(seconds, &tm);
    fr_buffer_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                     tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ms - seconds * 1000));
}

void fr_json_time_ms(struct fr_buffer *out, int64_t ms)
{
    fr_buffer_byte(out, '"');
    fr_rfc3339_ms(out, ms);
    fr_buffer_byte(out, '"');
}
