/*
 * The state of `every`, `min_change` and `edge_only`: a hash table with one slot for each vehicle,
 * field route and field.
 *
 * A slot has the last value delivered and the newest value that waits for its window to close
 * (windows.h). The first value is delivered at once and opens a window. The newest of the values
 * that follow is delivered when the window closes, so the last value is never lost.
 *
 * A table belongs to one program (program.h) and is used by the thread of its sink only.
 */
#ifndef FR_THROTTLE_H
#define FR_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "record/record.h"

/* Max slots of a table. */
#define FR_THROTTLE_MAX (1u << 20)

struct fr_throttle;

struct fr_throttle_slot {
    uint64_t key[2]; /* vehicle; route in the upper 32 bits and field in the lower */
    struct fr_throttle_slot *next_in_bucket;
    struct fr_throttle_slot *next_open; /* windows.h: the next window of the same route to close */
    int64_t closes_ms;                  /* when the window closes; monotonic ms */
    bool open;                          /* the window is open */
    bool has_last;
    struct fr_value last; /* the last value delivered, as of fr_throttle_compact_value() */
    int64_t last_ns;      /* when `last` was measured (fr_record_time_ns) */
    uint32_t last_route;  /* during fr_program_adopt(): the older route that `last` comes from */

    struct fr_record *waiting; /* one reference; NULL: no value waits */
    void *waiting_origin;      /* the origin given to fr_program_run() with the record, or NULL */
    struct fr_datum waiting_datum; /* points into `waiting`; its value may be converted */
    uint32_t waiting_flags;        /* FR_FLAG_* */
};

/* Make an empty table. The caller frees it. */
struct fr_throttle *fr_throttle_new(void);

/* Free a table, its slots and its references of waiting records. */
void fr_throttle_free(struct fr_throttle *throttle);

/* The slot of a vehicle (struct program_vehicle.id), route index and field number; NULL: there is
 * none. The table owns the slot. */
struct fr_throttle_slot *fr_throttle_find(const struct fr_throttle *throttle, uint64_t vehicle,
                                          uint32_t route, uint32_t field);

/* Add a slot with all members zero. The caller has checked that it does not exist. NULL: the
 * table has FR_THROTTLE_MAX slots. */
struct fr_throttle_slot *fr_throttle_add(struct fr_throttle *throttle, uint64_t vehicle,
                                         uint32_t route, uint32_t field);

/* The route index and the field number of a slot. */
uint32_t fr_throttle_route(const struct fr_throttle_slot *slot);
uint32_t fr_throttle_field(const struct fr_throttle_slot *slot);

/* The value in the form of fr_throttle_slot.last: a text is replaced by an integer, its hash, so
 * that the slot needs no copy of the text. */
struct fr_value fr_throttle_compact_value(const struct fr_value *value);

/* Store a value as the last one delivered, unless the slot has one that was measured later. The
 * value may be compact already. */
void fr_throttle_set_last(struct fr_throttle_slot *slot, const struct fr_value *value,
                          int64_t measured_ns);

/* Call each() for every slot, in no defined order. each() must not add slots to this table. */
void fr_throttle_each(struct fr_throttle *throttle,
                      void (*each)(void *ctx, struct fr_throttle_slot *slot), void *ctx);

#endif
