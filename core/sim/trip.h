/*
 * trip.h - a believable trip: parked at work, unlocked, driven into the home zone, parked,
 * plugged in, charged. A function of time, seen through a car's sampling: 500 ms buckets, a
 * field when it has changed and its interval has passed.
 */
#ifndef FR_TRIP_H
#define FR_TRIP_H

#include <stddef.h>
#include <stdint.h>

#include "sim/sim_message.h"

#define FR_TRIP_DATA_MAX 64
#define FR_TRIP_BUCKET_MS 500

struct fr_trip;

/* A trip that ends at these coordinates (the middle of the home zone). */
struct fr_trip *fr_trip_new(double home_latitude, double home_longitude);
void fr_trip_free(struct fr_trip *trip);

/* How long the whole trip takes in its own time, in ms. */
int64_t fr_trip_duration_ms(void);

/* What the car collects in the bucket that ends at `ms` of trip time: writes data (room for
 * FR_TRIP_DATA_MAX) and returns how many. Times must not go back. */
size_t fr_trip_bucket(struct fr_trip *trip, int64_t ms, struct fr_sim_datum *data);

/* What is going on at that time, in words ("driving"). */
const char *fr_trip_phase(int64_t ms);

#endif
