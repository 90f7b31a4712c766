#include "http/influx_line.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_SIZE 40
#define DECIMALS_MAX 6
#define TEXT_MAX 65535 /* bytes of a text that InfluxDB accepts */

static bool influx_is_plain(unsigned char c, const char *special)
{
    return c >= 0x20 && c != 0x7f && c != '\\' && strchr(special, c) == NULL;
}

/* Append a name: the characters of `special` get a backslash. */
static void influx_name(struct fr_text_buffer *out, const char *name, const char *special)
{
    while (*name != '\0') {
        size_t len = 0;

        while (name[len] != '\0' && influx_is_plain((unsigned char)name[len], special))
            len++;
        fr_text_buffer_append(out, name, len);
        name += len;
        if (*name == '\0')
            return;
        if ((unsigned char)*name < 0x20 || *name == 0x7f || *name == '\\')
            fr_text_buffer_byte(out, '_');
        else {
            fr_text_buffer_byte(out, '\\');
            fr_text_buffer_byte(out, *name);
        }
        name++;
    }
}

void influx_measurement(struct fr_text_buffer *out, const char *name)
{
    if (*name == '\0' || *name == '#') { /* a line that begins with # is a comment */
        fr_text_buffer_byte(out, '_');
        name += *name != '\0';
    }
    influx_name(out, name, ", ");
}

void influx_tag(struct fr_text_buffer *out, const char *key, const char *value)
{
    if (*key == '\0' || *value == '\0')
        return;
    fr_text_buffer_byte(out, ',');
    influx_name(out, key, ", =");
    fr_text_buffer_byte(out, '=');
    influx_name(out, value, ", =");
}

static void influx_time(struct influx_point *point)
{
    fr_text_buffer_printf(point->out, " %lld\n", (long long)point->time);
}

static void influx_key(struct influx_point *point, const char *key, const char *part)
{
    if (point->fields == 0 || point->is_split) {
        fr_text_buffer_append(point->out, point->series, point->series_len);
        fr_text_buffer_byte(point->out, ' ');
    } else
        fr_text_buffer_byte(point->out, ',');
    point->fields++;
    if (*key == '\0')
        fr_text_buffer_byte(point->out, '_');
    influx_name(point->out, key, ", =");
    if (part != NULL) {
        fr_text_buffer_byte(point->out, '_');
        influx_name(point->out, part, ", =");
    }
    fr_text_buffer_byte(point->out, '=');
}

static void influx_value_ended(struct influx_point *point)
{
    if (point->is_split)
        influx_time(point);
}

/* Write a number with few decimals. False: it has more, or is very large. */
static bool influx_short_number(char text[NUMBER_SIZE], double value)
{
    double size = fabs(value), scale = 1;

    for (int decimals = 0; decimals <= DECIMALS_MAX && size * scale < 1e15; decimals++) {
        double digits = rint(size * scale);
        int64_t whole = (int64_t)digits;
        int64_t unit = (int64_t)scale;

        if (digits / scale == size) {
            if (decimals == 0)
                snprintf(text, NUMBER_SIZE, "%s%lld", value < 0 ? "-" : "", (long long)whole);
            else
                snprintf(text, NUMBER_SIZE, "%s%lld.%0*lld", value < 0 ? "-" : "",
                         (long long)(whole / unit), decimals, (long long)(whole % unit));
            return true;
        }
        scale *= 10;
    }
    return false;
}

void influx_real(struct influx_point *point, const char *key, const char *part, double value)
{
    char text[NUMBER_SIZE];

    if (!isfinite(value))
        return;
    if (!influx_short_number(text, value))
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, value);
            if (strtod(text, NULL) == value)
                break;
        }
    influx_key(point, key, part);
    fr_text_buffer_add(point->out, text);
    influx_value_ended(point);
}

void influx_integer(struct influx_point *point, const char *key, const char *part, int64_t value)
{
    influx_key(point, key, part);
    fr_text_buffer_printf(point->out, "%lldi", (long long)value);
    influx_value_ended(point);
}

void influx_boolean(struct influx_point *point, const char *key, const char *part, bool value)
{
    influx_key(point, key, part);
    fr_text_buffer_add(point->out, value ? "true" : "false");
    influx_value_ended(point);
}

/* A character of a text that does not stand for itself. Line breaks are spaces: within quotes they do
 * not end a line for InfluxDB, but they do for other servers. */
static void influx_put_special(struct fr_text_buffer *out, char c)
{
    if (c == '"' || c == '\\')
        fr_text_buffer_byte(out, '\\');
    fr_text_buffer_byte(out, (unsigned char)c < 0x20 ? ' ' : c);
}

void influx_text(struct influx_point *point, const char *key, const char *part, const char *text,
                 size_t len)
{
    if (len > TEXT_MAX)
        return;
    influx_key(point, key, part);
    fr_text_buffer_byte(point->out, '"');
    for (size_t i = 0, run; i < len; i += run + 1) {
        for (run = 0; i + run < len && influx_is_plain((unsigned char)text[i + run], "\""); run++)
            ;
        fr_text_buffer_append(point->out, text + i, run);
        if (i + run < len)
            influx_put_special(point->out, text[i + run]);
    }
    fr_text_buffer_byte(point->out, '"');
    influx_value_ended(point);
}

void influx_end(struct influx_point *point)
{
    if (point->fields != 0 && !point->is_split)
        influx_time(point);
}
