/*
 * throttle.h - the memory behind `every`, `min_change` and `edge_only`: for each vehicle,
 * route and field the last value delivered and the newest one that waits for its window.
 *
 * The first value goes out at once and opens a window; the newest of those that follow goes
 * out when the window closes, so the last value is never lost. All windows of a route are
 * equally long, so they close in the order in which they opened: a list, no heap.
 */
#ifndef FR_THROTTLE_H
#define FR_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "record/record.h"

/* At most this many vehicle-route-field triples are remembered; what comes after is passed on
 * as if it had no window, and counted. */
#define FR_THROTTLE_MAX (1u << 20)

struct fr_throttle;

struct fr_throttle_slot {
    uint64_t key[2];
    struct fr_throttle_slot *next_in_bucket;
    struct fr_throttle_slot *next_open; /* in the route's list of open windows */
    int64_t closes_ms;                  /* 0: no window is open */
    bool has_last;
    struct fr_value last;      /* delivered; text only as its hash in `integer` */
    struct fr_record *waiting; /* counted; NULL: nothing waits */
    void *waiting_origin;      /* whose record it is, as fr_program_run was told */
    struct fr_value waiting_value;
    uint32_t waiting_marks;
};

/* Open windows of one route, the first to close first. All zero is empty. */
struct fr_throttle_windows {
    struct fr_throttle_slot *first, *last;
};

struct fr_throttle *fr_throttle_new(void);
void fr_throttle_free(struct fr_throttle *throttle);

/* The slot of a vehicle (any number that stands for it), route and field, made if need be;
 * NULL when the table is full. */
struct fr_throttle_slot *fr_throttle_slot(struct fr_throttle *throttle, uint64_t vehicle,
                                          uint32_t route, uint32_t field);

/* The value in the form in which `last` keeps it. */
struct fr_value fr_throttle_kept(const struct fr_value *value);

/* Open a slot's window until closes_ms; it must not be open. */
void fr_throttle_open(struct fr_throttle_windows *windows, struct fr_throttle_slot *slot,
                      int64_t closes_ms);

/* Take out the first window if it has to close by now_ms; NULL otherwise. */
struct fr_throttle_slot *fr_throttle_close(struct fr_throttle_windows *windows, int64_t now_ms);

/* Let a value wait in place of the one that waited. Returns whether one did. */
bool fr_throttle_wait(struct fr_throttle_slot *slot, struct fr_record *record,
                      const struct fr_value *value, uint32_t marks);

/* Call each() for every slot. */
void fr_throttle_each(struct fr_throttle *throttle,
                      void (*each)(void *ctx, struct fr_throttle_slot *slot), void *ctx);

#endif
