/*
 * The table of slots for `delivery: latest`: one slot for each triple of vehicle, route and field.
 *
 * A slot has at most one value in the plugin and at most one that waits, the newest. So a value
 * cannot overtake another value of the same slot. latest_values.h moves the values.
 *
 * All functions: the sink's thread.
 */
#ifndef FR_LATEST_H
#define FR_LATEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct delivery;
struct fr_latest;

/* Limit of slots. Values without a slot are delivered as in `delivery: log`. */
#define FR_LATEST_MAX (1u << 20)

struct fr_latest_slot {
    uint64_t hash;
    uint32_t route, field;
    struct fr_latest_slot *next; /* in the bucket of the hash table */
    struct delivery *in_plugin;  /* in the batch, in the plugin or in a lane; NULL: none */
    struct delivery *waiting;    /* NULL: none */
    bool is_ready;               /* in sink_latest.ready_first */
    struct fr_latest_slot *next_ready;
    char vin[];
};

/* Create an empty table. Never returns NULL. */
struct fr_latest *fr_latest_new(void);

/* Free the table and its slots; not the deliveries. `latest` may be NULL. */
void fr_latest_free(struct fr_latest *latest);

/* Find or create a slot. `route` is fr_emission.route_id. The slot is valid until fr_latest_free().
 * Returns NULL when the table has FR_LATEST_MAX slots. */
struct fr_latest_slot *fr_latest_slot(struct fr_latest *latest, const char *vin, uint32_t route,
                                      uint32_t field);

#endif
