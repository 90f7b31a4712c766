/*
 * The position of a vehicle and the distance test of Home Assistant.
 */
#ifndef FR_POSITION_H
#define FR_POSITION_H

#include <stdbool.h>
#include <stdint.h>

#include "fleetroute/plugin.h"

/* The newest position that a vehicle has reported. */
struct fr_position {
    bool known;
    double latitude, longitude; /* degrees, north and east positive */
    int64_t created_ms;         /* since 1970 */
    bool live;                  /* received in real time: not old, repeated or restored */
};

/* Whether the value of a delivery is a location on Earth. NaN is not. */
bool fr_position_is_valid(const struct fr_delivery *delivery);

/*
 * Replace a position by that of a delivery. `live_ms` is the maximum age of a live position.
 * Returns false, without a change, if the delivery is older than the position or not a valid
 * location.
 */
bool fr_position_update(struct fr_position *position, const struct fr_delivery *delivery,
                        int64_t now_ms, int64_t live_ms);

/* Whether two positions are less than one metre apart, which Home Assistant treats as equal. */
bool fr_same_position(double latitude, double longitude, double other_latitude,
                      double other_longitude);

#endif
