/*
 * type_limit.h - how many record types of its own a vehicle can bring into file names.
 *
 * A type that fleetroute does not know is the vehicle's choice. Beyond FR_TYPES_PER_VEHICLE of them
 * for a vehicle, or FR_TYPES_MAX of all vehicles, since the start, %{type} is "other".
 */
#ifndef FR_TYPE_LIMIT_H
#define FR_TYPE_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FR_TYPES_PER_VEHICLE 16
#define FR_TYPES_MAX 4096

struct fr_type_limit {
    uint64_t *known; /* hashes of vehicle and type, and of vehicle and a number of types */
    size_t count;
};

/* What stands for a type in a path: the type, or "other". */
const char *fr_type_in_path(struct fr_type_limit *limit, const char *vin, const char *type);

void fr_type_limit_free(struct fr_type_limit *limit);

#endif
