/*
 * latest.h - for sinks that want the newest state: of the values that wait, one of each vehicle,
 * route and field; and one in the plugin's hands, so that they cannot overtake each other.
 */
#ifndef FR_LATEST_H
#define FR_LATEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct delivery;
struct fr_latest;

/* At most so many vehicle-route-field triples; what comes after is delivered as it comes. */
#define FR_LATEST_MAX (1u << 20)

struct fr_latest_slot {
    uint64_t hash;
    uint32_t route, field;
    struct fr_latest_slot *next;
    struct delivery *handed;  /* in the plugin's hands; NULL: none */
    struct delivery *waiting; /* the newest of those behind it */
    bool queued;              /* in the sink's list of slots that can be handed over */
    struct fr_latest_slot *next_queued;
    char vin[];
};

struct fr_latest *fr_latest_new(void);
void fr_latest_free(struct fr_latest *latest);

/* The slot, made if need be; NULL when there are too many. */
struct fr_latest_slot *fr_latest_slot(struct fr_latest *latest, const char *vin, uint32_t route,
                                      uint32_t field);

#endif
