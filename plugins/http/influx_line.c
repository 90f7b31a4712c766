#include "http/influx_line.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 65535 /* bytes of a text that InfluxDB accepts */

/* Append a name: the characters of `special` get a backslash. */
static void influx_name(struct fr_text_buffer *out, const char *name, const char *special)
{
    for (; *name != '\0'; name++) {
        unsigned char c = (unsigned char)*name;

        if (c < 0x20 || c == 0x7f || c == '\\') {
            fr_text_buffer_byte(out, '_');
            continue;
        }
        if (strchr(special, c) != NULL)
            fr_text_buffer_byte(out, '\\');
        fr_text_buffer_byte(out, *name);
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

void influx_real(struct influx_point *point, const char *key, const char *part, double value)
{
    char text[40];

    if (!isfinite(value))
        return;
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

void influx_text(struct influx_point *point, const char *key, const char *part, const char *text,
                 size_t len)
{
    if (len > TEXT_MAX)
        return;
    influx_key(point, key, part);
    fr_text_buffer_byte(point->out, '"');
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"' || text[i] == '\\')
            fr_text_buffer_byte(point->out, '\\');
        /* A NUL ends a line for some servers; a line break within quotes does not for InfluxDB, but
         * does for others. */
        fr_text_buffer_byte(point->out,
                            (unsigned char)text[i] < 0x20 && text[i] != '\t' ? ' ' : text[i]);
    }
    fr_text_buffer_byte(point->out, '"');
    influx_value_ended(point);
}

void influx_end(struct influx_point *point)
{
    if (point->fields != 0 && !point->is_split)
        influx_time(point);
}
