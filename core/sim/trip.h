/*
 * The data of a simulated trip: a vehicle is parked, unlocked, driven to the home zone, parked,
 * plugged in and charged. Values are functions of the trip time. They are sampled like by a
 * vehicle: in buckets of 500 ms, each field when its value has changed and its interval has passed.
 */
#ifndef FR_TRIP_H
#define FR_TRIP_H

#include <stddef.h>
#include <stdint.h>

#include "sim/sim_message.h"

/* Max data in a bucket. */
#define FR_TRIP_DATA_MAX 64
#define FR_TRIP_BUCKET_MS 500

struct fr_trip;

/* Make a trip that ends at these coordinates in degrees, the centre of the home zone. The caller
 * frees it. */
struct fr_trip *fr_trip_new(double home_latitude, double home_longitude);
void fr_trip_free(struct fr_trip *trip);

/* The duration of the trip in ms of trip time. */
int64_t fr_trip_duration_ms(void);

/* Write the data of the bucket that ends at `ms` of trip time to `data`, which has a capacity of
 * FR_TRIP_DATA_MAX. Returns their number. `ms` must not decrease. The texts are static. */
size_t fr_trip_bucket(struct fr_trip *trip, int64_t ms, struct fr_sim_datum *data);

/* Write the values of all simulated fields at `ms` of trip time to `data`, which has a capacity of
 * FR_TRIP_DATA_MAX. Returns their number. The texts are static. */
size_t fr_trip_values(const struct fr_trip *trip, int64_t ms, struct fr_sim_datum *data);

/* The name of the phase at `ms` of trip time, such as "charging". Static text. */
const char *fr_trip_phase(int64_t ms);

#endif
