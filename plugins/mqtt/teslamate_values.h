/*
 * The topics of one vehicle in the layout `teslamate`, with their payloads: plain text, as TeslaMate
 * publishes them. Numbers that TeslaMate gets as integers are integers, because its readers parse
 * them as such (TWCManager: int(), TeslaSolarCharger: Convert.ToInt32()). The names and forms are
 * those of TeslaMate 4.3, lib/teslamate/mqtt/pubsub/vehicle_subscriber.ex.
 *
 * The functions have no state; they are called on the sink's thread.
 */
#ifndef FR_TESLAMATE_VALUES_H
#define FR_TESLAMATE_VALUES_H

#include "car_state/car_derived.h"
#include "text_buffer.h"

#define TESLAMATE_TOPICS_MAX 96

struct teslamate_settings {
    const char *home_name; /* value of `geofence` at the home of the driver's profile */
    bool healthy;          /* value of `healthy` */
};

/* The number of topics, at most TESLAMATE_TOPICS_MAX. */
size_t teslamate_topic_count(void);

/* The last level of a topic. A static text. */
const char *teslamate_topic_name(size_t index);

/* Whether a topic follows from several fields, so that it is wrong while some are still unknown. */
bool teslamate_topic_is_derived(size_t index);

/* Append the payload of a topic to an empty buffer; "" is a payload. Returns false if the value is
 * unknown, so that nothing is published. */
bool teslamate_value(size_t index, const struct fr_car *car,
                     const struct teslamate_settings *settings, struct fr_text_buffer *payload);

#endif
