/*
 * The vehicles that have a history, in memory. Internal to core/history; used by the history's
 * thread alone.
 */
#ifndef FR_HISTORY_VEHICLES_H
#define FR_HISTORY_VEHICLES_H

#include "history/history_rows.h"
#include "record/record_types.h"

struct fr_history_vehicle {
    char vin[FR_VIN_MAX + 1];
    size_t index;              /* in the table */
    struct fr_vehicle_row row; /* with the changes of the open transaction */
    uint64_t stored_bytes;     /* this and the next two: as on disk */
    uint32_t stored_alerts, stored_connections;
    bool changed;                    /* the row must be written */
    struct fr_history_vehicle *next; /* of the same bucket */
};

struct fr_history_vehicles;

/* A table of at most `max` vehicles. The caller frees it with its vehicles. */
struct fr_history_vehicles *fr_history_vehicles_new(size_t max);
void fr_history_vehicles_free(struct fr_history_vehicles *table);

/* Find a vehicle; NULL: it is not in the table. */
struct fr_history_vehicle *fr_history_vehicles_find(const struct fr_history_vehicles *table,
                                                    const char *vin);

/* Add a vehicle that is not in the table. NULL: the table is full. */
struct fr_history_vehicle *fr_history_vehicles_add(struct fr_history_vehicles *table,
                                                   const char *vin);

/* Remove a vehicle and free it. */
void fr_history_vehicles_remove(struct fr_history_vehicles *table,
                                struct fr_history_vehicle *vehicle);

/* Remove all vehicles. */
void fr_history_vehicles_clear(struct fr_history_vehicles *table);

size_t fr_history_vehicles_count(const struct fr_history_vehicles *table);

/* The vehicle of an index from 0 on; NULL: the index is free. *end: the index is beyond the last. */
struct fr_history_vehicle *fr_history_vehicles_at(const struct fr_history_vehicles *table,
                                                  size_t index, bool *end);

/* The sum of the bytes in the rows of all vehicles. */
uint64_t fr_history_vehicles_bytes(const struct fr_history_vehicles *table);

/* After a commit the sums of the row are those on disk; after an abort they are restored. */
void fr_history_vehicle_finish(struct fr_history_vehicle *vehicle, bool committed);

#endif
