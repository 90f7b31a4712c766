/*
 * Deliveries as points of InfluxDB. A number is a float, because the JSON of a record does not show
 * whether a number is whole by its type or by chance, and InfluxDB keeps the first type of a field.
 *
 * Everything runs on the sink's thread.
 */
#ifndef FR_HTTP_INFLUX_BODY_H
#define FR_HTTP_INFLUX_BODY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "fleetroute/plugin.h"
#include "http/body_added.h"
#include "http/influx_line.h"
#include "text_buffer.h"

struct influx_body {
    const char *pattern;        /* of the measurement; the caller's */
    struct fr_text_buffer tags; /* constant tags, escaped, with a comma before each */
    bool has_integers;
    int64_t time_factor, time_divisor; /* from ms */
    struct fr_text_buffer series;      /* of the present point */
};

void influx_body_free(struct influx_body *influx);

/* Whether a delivery is one value that needs no JSON. */
bool influx_body_is_scalar(const struct fr_delivery *delivery);

/* Append the points of a delivery. `json` is the record, the value, or NULL if
 * influx_body_is_scalar(). Values that are null or invalid are not written. Returns BODY_ADDED or
 * BODY_NOTHING. */
enum body_added influx_body_add(struct influx_body *influx, struct fr_text_buffer *out,
                                bool is_split, const struct fr_delivery *delivery,
                                const json_t *json);

#endif
