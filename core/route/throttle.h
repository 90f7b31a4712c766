/*
 * throttle.h - the state behind `every`, `min_change` and `edge_only`: for each vehicle, route and
 * field the last value delivered and the newest one that waits for its window.
 *
 * The first value is delivered at once and opens a window (windows.h). The newest of the values
 * that follow is delivered when the window closes, so the last value is never lost.
 */
#ifndef FR_THROTTLE_H
#define FR_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "record/record.h"

/* At most this many vehicle-route-field triples have a slot. */
#define FR_THROTTLE_MAX (1u << 20)

struct fr_throttle;

struct fr_throttle_slot {
    uint64_t key[2];
    struct fr_throttle_slot *next_in_bucket;
    struct fr_throttle_slot *next_open; /* windows.h: the next window of the route to close */
    int64_t closes_ms;                  /* when the window closes; monotonic */
    bool open;                          /* a window is open */
    bool has_last;
    struct fr_value last; /* delivered; text only as its hash in `integer` */
    int64_t last_ns;      /* when that was measured (fr_record_time_ns) */
    uint32_t last_route;  /* while a program adopts: the route that `last` is taken from */

    struct fr_record *waiting; /* counted; NULL: no value waits */
    void *waiting_origin;      /* its record's, as given to fr_program_run */
    struct fr_value waiting_value;
    uint32_t waiting_marks;
};

struct fr_throttle *fr_throttle_new(void);
void fr_throttle_free(struct fr_throttle *throttle);

/* The slot of a vehicle (any number that stands for it), route and field; NULL: there is none. */
struct fr_throttle_slot *fr_throttle_find(const struct fr_throttle *throttle, uint64_t vehicle,
                                          uint32_t route, uint32_t field);

/* Make that slot, which must not exist. NULL: the table is full. */
struct fr_throttle_slot *fr_throttle_add(struct fr_throttle *throttle, uint64_t vehicle,
                                         uint32_t route, uint32_t field);

/* A slot's route and field. */
uint32_t fr_throttle_route(const struct fr_throttle_slot *slot);
uint32_t fr_throttle_field(const struct fr_throttle_slot *slot);

/* The value in the form in which `last` keeps it. */
struct fr_value fr_throttle_kept(const struct fr_value *value);

/* Keep a value as the last one delivered, unless the slot knows a newer one. */
void fr_throttle_keep_last(struct fr_throttle_slot *slot, const struct fr_value *value,
                           int64_t measured_ns);

/* Call each() for every slot. */
void fr_throttle_each(struct fr_throttle *throttle,
                      void (*each)(void *ctx, struct fr_throttle_slot *slot), void *ctx);

#endif
