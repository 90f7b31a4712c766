/*
 * InfluxDB's line protocol: MEASUREMENT,TAG=VALUE FIELD=VALUE,… TIME. Everything from outside is escaped
 * or replaced, so that no text can add a tag, a field or a line:
 * in names and tags commas, equals signs and spaces are escaped; control characters and backslashes,
 * which this protocol cannot express there without ambiguity, become `_`.
 *
 * A writer belongs to one thread.
 */
#ifndef FR_HTTP_INFLUX_LINE_H
#define FR_HTTP_INFLUX_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text_buffer.h"

/* The points of one series at one time. */
struct influx_point {
    struct fr_text_buffer *out;
    const char *series; /* measurement and tags, escaped; the caller's */
    size_t series_len;
    int64_t time;  /* in the precision of the database */
    bool is_split; /* a line for each field */
    size_t fields; /* written so far */
};

/* Append a measurement. An empty one becomes `_`. */
void influx_measurement(struct fr_text_buffer *out, const char *name);

/* Append ,KEY=VALUE to a series; nothing if the key or the value is empty. */
void influx_tag(struct fr_text_buffer *out, const char *key, const char *value);

/* Append a field to the point. `part`: NULL, or what is appended to the key after `_`. A number that is
 * not finite, and a text of more than 64 KB, which InfluxDB refuses, are not written. */
void influx_real(struct influx_point *point, const char *key, const char *part, double value);
void influx_integer(struct influx_point *point, const char *key, const char *part, int64_t value);
void influx_boolean(struct influx_point *point, const char *key, const char *part, bool value);
void influx_text(struct influx_point *point, const char *key, const char *part, const char *text,
                 size_t len);

/* End the point. A point without a field is nothing. */
void influx_end(struct influx_point *point);

#endif
