#include "util/go_json.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "util/json_text.h"
#include "util/utf8.h"

/* ---- strings --------------------------------------------------------------------- */

/* Whether a character of `size` bytes is U+2028 or U+2029, which end a line in JavaScript. */
static bool go_is_line_end(const uint8_t *at, size_t size)
{
    return size == 3 && at[0] == 0xe2 && at[1] == 0x80 && (at[2] & 0xfe) == 0xa8;
}

/* Whether a byte is ASCII that needs no escape. */
static bool go_is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

/* Append one character of `size` bytes as an escape sequence; size 0: an invalid byte. */
static void go_put_escaped(struct fr_buffer *out, const uint8_t *at, size_t size)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *found;

    if (size == 0)
        fr_buffer_text(out, "\\ufffd");
    else if (size == 3)
        fr_buffer_text(out, at[2] == 0xa8 ? "\\u2028" : "\\u2029");
    else if (*at != '\0' && (found = strchr(plain, *at)) != NULL)
        fr_buffer_printf(out, "\\%c", letters[found - plain]);
    else
        fr_buffer_printf(out, "\\u%04x", *at);
}

void fr_go_string(struct fr_buffer *out, const char *text, size_t len)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t copied = 0, size;

    fr_buffer_byte(out, '"');
    for (size_t i = 0; i < len; i += size != 0 ? size : 1) {
        size = 1;
        if (go_is_plain(bytes[i]))
            continue;
        size = fr_utf8_length(bytes + i, len - i);
        if (size > 1 && !go_is_line_end(bytes + i, size))
            continue;
        fr_buffer_append(out, text + copied, i - copied);
        copied = i + (size != 0 ? size : 1);
        go_put_escaped(out, bytes + i, size);
    }
    fr_buffer_append(out, text + copied, len - copied);
    fr_buffer_byte(out, '"');
}

/* ---- numbers --------------------------------------------------------------------- */

/* encoding/json and protojson write finite numbers alike. */
static void go_put_number(struct fr_buffer *out, double number, bool is_float)
{
    if (isfinite(number))
        fr_json_tesla_number(out, number, is_float);
    else
        fr_buffer_text(out, "null");
}

void fr_go_double(struct fr_buffer *out, double number)
{
    go_put_number(out, number, false);
}

void fr_go_float(struct fr_buffer *out, float number)
{
    go_put_number(out, (double)number, true);
}

/* ---- times ----------------------------------------------------------------------- */

#define DAY_S 86400
#define CYCLE_DAYS 146097       /* of 400 years */
#define CYCLE_BEGIN_S 951868800 /* 2000-03-01 */

/* The date of a number of days since 2000-03-01, in a calendar whose years begin in March, so that
 * the leap day is the last one. */
static void go_put_date(struct fr_buffer *out, int64_t days)
{
    int64_t cycle = days / CYCLE_DAYS - (days % CYCLE_DAYS < 0), year;
    int64_t day = days - cycle * CYCLE_DAYS, month;

    year = (day - day / 1460 + day / 36524 - day / (CYCLE_DAYS - 1)) / 365;
    day -= 365 * year + year / 4 - year / 100;
    month = (5 * day + 2) / 153;
    day -= (153 * month + 2) / 5;
    year += 2000 + cycle * 400 + (month >= 10);
    fr_buffer_printf(out, "%s%04lld-%02d-%02d", year < 0 ? "-" : "",
                     (long long)(year < 0 ? -year : year),
                     (int)(month < 10 ? month + 3 : month - 9), (int)day + 1);
}

void fr_go_time(struct fr_buffer *out, int64_t seconds, int32_t nanos)
{
    int64_t carry = nanos / 1000000000 - (nanos % 1000000000 < 0), of_day;

    if (seconds > INT64_MAX - 3)
        seconds = INT64_MAX - 3;
    if (seconds < INT64_MIN + 3 + CYCLE_BEGIN_S + DAY_S)
        seconds = INT64_MIN + 3 + CYCLE_BEGIN_S + DAY_S;
    seconds += carry - CYCLE_BEGIN_S;
    of_day = seconds % DAY_S + (seconds % DAY_S < 0 ? DAY_S : 0);
    fr_buffer_byte(out, '"');
    go_put_date(out, (seconds - of_day) / DAY_S);
    fr_buffer_printf(out, "T%02d:%02d:%02dZ\"", (int)(of_day / 3600), (int)(of_day / 60 % 60),
                     (int)(of_day % 60));
}
