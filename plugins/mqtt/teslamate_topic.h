/*
 * A topic of the layout `teslamate`, and the functions that write payloads. teslamate_values.h describes
 * the forms; teslamate_values.c has the table of topics.
 *
 * The functions have no state; they are called on the sink's thread.
 */
#ifndef FR_TESLAMATE_TOPIC_H
#define FR_TESLAMATE_TOPIC_H

#include "car_state/car_derived.h"
#include "text_buffer.h"

struct teslamate_settings {
    const char *home_name; /* value of `geofence` at the home of the driver's profile */
    bool healthy;          /* value of `healthy` */
};

struct teslamate_topic;

/* Append the payload to an empty buffer; "" is a payload. False: the value is unknown, so that nothing is
 * published, or there is no memory. */
typedef bool topic_writer(const struct teslamate_topic *topic, const struct fr_car *car,
                          const struct teslamate_settings *settings, struct fr_text_buffer *out);

struct teslamate_topic {
    const char *name; /* the last level */
    topic_writer *write;
    enum fr_car_field field; /* of a value that is published as it is; 0: a function below */
    bool (*number)(const struct fr_car *car, double *number);
    bool (*flag)(const struct fr_car *car, bool *flag);
    const char *(*text)(const struct fr_car *car);
    int decimals;  /* of a number */
    uint32_t bits; /* the mask of doors or tires; of a coordinate: 0 latitude, 1 longitude */
    bool derived;  /* see teslamate_topic_is_derived() */
};

/* Topics of one kind. */
topic_writer topic_write_number;
topic_writer topic_write_flag;
topic_writer topic_write_bits;
topic_writer topic_write_window;
topic_writer topic_write_text;

/* Single topics. */
topic_writer topic_write_state;
topic_writer topic_write_since;
topic_writer topic_write_healthy;
topic_writer topic_write_version;
topic_writer topic_write_software_update;
topic_writer topic_write_geofence;
topic_writer topic_write_coordinate;
topic_writer topic_write_location;
topic_writer topic_write_shift_state;
topic_writer topic_write_ac_charger;
topic_writer topic_write_charger_phases;
topic_writer topic_write_scheduled_start;
topic_writer topic_write_climate_mode;

/* The active route. */
topic_writer topic_write_route;
topic_writer topic_write_route_name;
topic_writer topic_write_route_coordinate;

#endif
