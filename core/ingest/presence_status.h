/*
 * Copies of what presence contains, for the status, the API and the metrics. Functions may be called on any
 * thread and take the lock of presence.
 */
#ifndef FR_PRESENCE_STATUS_H
#define FR_PRESENCE_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/record.h"
#include "util/address.h"

struct fr_presence;

struct fr_presence_status {
    char vin[FR_VIN_MAX + 1];
    bool connected; /* or within the grace period */
    unsigned connections;
    int64_t connected_ms; /* monotonic: when `connected` became true, or its vehicle was expected */
    int64_t last_seen_ms; /* wall clock of the last record; 0: none since the vehicle is known */
    uint64_t records;     /* number since the vehicle is known */
    uint64_t faults;      /* fr_presence_fault() since the vehicle is known */
    int64_t last_fault_ms;           /* wall clock; 0: none */
    char peer[FR_ADDRESS_TEXT_SIZE]; /* of its newest connection; "": it has none */
};

/* List the vehicles whose VIN contains `part`: first the connected ones by VIN, then the expired
 * ones, the most recently seen first. The caller frees *list with free(3); NULL: out of memory.
 * Returns the number of entries. */
size_t fr_presence_list(struct fr_presence *presence, const char *part,
                        struct fr_presence_status **list);

/* List all vehicles in no order, as fr_presence_list() does. The lock is released repeatedly, so that
 * a long list delays no connection; a vehicle that is added or removed meanwhile may be missing. */
size_t fr_presence_list_all(struct fr_presence *presence, struct fr_presence_status **list);

/* Copy the status of one vehicle. Returns false if it is not in the table. */
bool fr_presence_find(struct fr_presence *presence, const char *vin,
                      struct fr_presence_status *status);

/* The number of connected vehicles, and of all vehicles in the table. */
void fr_presence_count(struct fr_presence *presence, size_t *connected, size_t *known);

#endif
