/*
 * Limits the record types that a vehicle can bring into file names.
 *
 * Vehicles choose the names of record types that are unknown to fleetroute. Beyond
 * FR_TYPES_PER_VEHICLE unknown types of a vehicle, or FR_TYPES_MAX of all vehicles, since the sink
 * was opened, %{type} is "other". The table belongs to one thread; all zero is an empty table.
 */
#ifndef FR_TYPE_LIMIT_H
#define FR_TYPE_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FR_TYPES_PER_VEHICLE 16
#define FR_TYPES_MAX 4096

struct fr_type_limit {
    uint64_t *known; /* hashes of (vehicle, type) and (vehicle, number of types); NULL: empty */
    size_t count;
};

/* Returns `type`, or "other" beyond the limits or without memory. */
const char *fr_type_in_path(struct fr_type_limit *limit, const char *vin, const char *type);

/* Free the memory; the table is empty then. */
void fr_type_limit_free(struct fr_type_limit *limit);

#endif
