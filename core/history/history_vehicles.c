#include "history/history_vehicles.h"

#include <stdlib.h>
#include <string.h>

#include "util/hash.h"
#include "util/memory.h"

#define BUCKETS 1024

struct fr_history_vehicles {
    size_t max, count;
    size_t first_free;               /* no index below is free */
    struct fr_history_vehicle **all; /* max members; NULL: free */
    struct fr_history_vehicle *buckets[BUCKETS];
};

struct fr_history_vehicles *fr_history_vehicles_new(size_t max)
{
    struct fr_history_vehicles *table = fr_calloc(1, sizeof *table);

    table->max = max;
    table->all = fr_calloc(max, sizeof(struct fr_history_vehicle *));
    return table;
}

void fr_history_vehicles_free(struct fr_history_vehicles *table)
{
    if (table == NULL)
        return;
    fr_history_vehicles_clear(table);
    free(table->all);
    free(table);
}

static size_t vehicles_bucket(const char *vin)
{
    return fr_hash_text(vin, 0) % BUCKETS;
}

struct fr_history_vehicle *fr_history_vehicles_find(const struct fr_history_vehicles *table,
                                                    const char *vin)
{
    struct fr_history_vehicle *v = table->buckets[vehicles_bucket(vin)];

    while (v != NULL && strcmp(v->vin, vin) != 0)
        v = v->next;
    return v;
}

struct fr_history_vehicle *fr_history_vehicles_add(struct fr_history_vehicles *table,
                                                   const char *vin)
{
    size_t bucket = vehicles_bucket(vin), len = strlen(vin);
    struct fr_history_vehicle *v;

    if (table->count == table->max || len > FR_VIN_MAX)
        return NULL;
    while (table->all[table->first_free] != NULL)
        table->first_free++;
    v = fr_calloc(1, sizeof *v);
    memcpy(v->vin, vin, len + 1);
    v->index = table->first_free;
    v->next = table->buckets[bucket];
    fr_session_reset(&v->row.session);
    table->buckets[bucket] = v;
    table->all[v->index] = v;
    table->count++;
    return v;
}

void fr_history_vehicles_remove(struct fr_history_vehicles *table,
                                struct fr_history_vehicle *vehicle)
{
    struct fr_history_vehicle **at = &table->buckets[vehicles_bucket(vehicle->vin)];

    while (*at != vehicle)
        at = &(*at)->next;
    *at = vehicle->next;
    table->all[vehicle->index] = NULL;
    if (vehicle->index < table->first_free)
        table->first_free = vehicle->index;
    table->count--;
    free(vehicle);
}

void fr_history_vehicles_clear(struct fr_history_vehicles *table)
{
    for (size_t i = 0; i < table->max; i++)
        if (table->all[i] != NULL)
            fr_history_vehicles_remove(table, table->all[i]);
}

size_t fr_history_vehicles_count(const struct fr_history_vehicles *table)
{
    return table->count;
}

struct fr_history_vehicle *fr_history_vehicles_at(const struct fr_history_vehicles *table,
                                                  size_t index, bool *end)
{
    *end = index >= table->max;
    return *end ? NULL : table->all[index];
}

uint64_t fr_history_vehicles_bytes(const struct fr_history_vehicles *table)
{
    uint64_t sum = 0;
    bool end = false;

    for (size_t i = 0; !end; i++) {
        const struct fr_history_vehicle *v = fr_history_vehicles_at(table, i, &end);

        sum += v != NULL ? v->row.bytes : 0;
    }
    return sum;
}

void fr_history_vehicle_finish(struct fr_history_vehicle *v, bool committed)
{
    if (committed) {
        v->stored_bytes = v->row.bytes;
        v->stored_alerts = v->row.alerts;
        v->stored_connections = v->row.connections;
    } else {
        v->row.bytes = v->stored_bytes;
        v->row.alerts = v->stored_alerts;
        v->row.connections = v->stored_connections;
    }
}
