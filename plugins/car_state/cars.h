/*
 * The vehicles of a sink, by VIN. The table owns them. Used on the sink's thread.
 */
#ifndef FR_CARS_H
#define FR_CARS_H

#include "car_state/car.h"

#define FR_CARS_MAX 20000

struct fr_cars;

/* Make an empty table. NULL: no memory. */
struct fr_cars *fr_cars_new(void);

/* Free the table; NULL is allowed. `free_own` (NULL: none) is called with each `own` that is not
 * NULL. */
void fr_cars_free(struct fr_cars *cars, void (*free_own)(void *own));

/* Receive a delivery and derive the state of its vehicle, which is returned. `now_ms`: wall clock. NULL: FR_CARS_MAX is reached, or no
 * memory. */
struct fr_car *fr_cars_receive(struct fr_cars *cars, const struct fr_delivery *delivery,
                               int64_t now_ms);

/* The vehicle with a VIN; NULL: no delivery of it was received. */
struct fr_car *fr_cars_find(const struct fr_cars *cars, const char *vin);

/* The first vehicle in the order of first appearance; NULL: none. */
struct fr_car *fr_cars_first(const struct fr_cars *cars);

size_t fr_cars_count(const struct fr_cars *cars);

#endif
