/*
 * One vehicle: the newest value of each field of car_field.h, and its connection.
 *
 * A value replaces an older one of the same field. The order is the time of the measurement; for a
 * time in the future, the time of the receipt. So late, resent and restored values do not move a
 * field back in time. Numbers are in the units of car_field.h, whatever unit the route converts to.
 * Values of the wrong kind, out of range or with an unknown unit are ignored. A value that the
 * vehicle marks as invalid makes the field unknown.
 *
 * Used on the sink's thread.
 */
#ifndef FR_CAR_H
#define FR_CAR_H

#include "car_state/car_field.h"
#include "fleetroute/plugin.h"

#define FR_CAR_TEXT_MAX 128    /* bytes of a text; the rest is cut off */
#define FR_CAR_SETTLE_MS 60000 /* see fr_car_update() */

/* What a vehicle does. The last five are the states of the same names in TeslaMate. */
enum fr_car_state {
    FR_CAR_STATE_UNKNOWN,
    FR_CAR_ONLINE,
    FR_CAR_ASLEEP,
    FR_CAR_OFFLINE,
    FR_CAR_DRIVING,
    FR_CAR_CHARGING,
    FR_CAR_UPDATING,
};

struct fr_car_value {
    int64_t at_ms;  /* since 1970, in the order of the values; 0: never received */
    bool has_value; /* false: unknown */
    union {
        double number;
        bool boolean;
        uint32_t bits;
        char *text; /* of FR_CAR_TEXT and FR_CAR_CHOICE: UTF-8, NUL-terminated, owned */
        struct {
            double latitude, longitude; /* degrees */
        } place;
    };
};

/* Owned by the table (cars.h). Plugins only read it, except `own` and `id`. */
struct fr_car {
    struct fr_car *next; /* of all vehicles, in the order of first appearance */
    struct fr_car *next_in_bucket;
    void *own;   /* for use by the plugin */
    uint32_t id; /* for use by the plugin; 0 at first (car_ids.h) */

    char *configured_name; /* of routing.yaml; NULL: none */
    int64_t first_seen_ms; /* wall clock */
    int64_t cause_ms;      /* time of the last value or connection record; 0: none */
    int64_t live_ms;       /* time of the newest value that is not restored; 0: none */
    bool has_presence;     /* a presence record was received: connectivity records are ignored */
    bool connection_known; /* `connected` is from a presence or connectivity record */
    bool connected;
    int64_t connection_ms;                         /* of that record */
    enum fr_car_state state;                       /* see fr_car_update() */
    int64_t state_since_ms;                        /* since 1970; 0: unknown */
    struct fr_car_value values[FR_CAR_FIELDS_MAX]; /* at the index of fr_car_field_index() */
    char vin[];
};

/* Make a vehicle without values. NULL: no memory. */
struct fr_car *fr_car_new(const char *vin, int64_t now_ms);
void fr_car_free(struct fr_car *car);

/* Receive a value, or a presence or connectivity record in JSON. Returns false without memory.
 * fr_car_update() follows (fr_cars_receive() calls both). */
bool fr_car_receive(struct fr_car *car, const struct fr_delivery *delivery);

/* The value of a field, of which the field must have the kind. False or NULL: unknown. Texts are
 * valid until the next fr_car_receive(). */
bool fr_car_number(const struct fr_car *car, enum fr_car_field field, double *number);
bool fr_car_boolean(const struct fr_car *car, enum fr_car_field field, bool *boolean);
bool fr_car_bits(const struct fr_car *car, enum fr_car_field field, uint32_t *bits);
const char *fr_car_text(const struct fr_car *car, enum fr_car_field field);
/* A choice without a known name, and the names Unknown, Invalid and SNA, are NULL. */
const char *fr_car_choice(const struct fr_car *car, enum fr_car_field field);
bool fr_car_place(const struct fr_car *car, enum fr_car_field field, double *latitude,
                  double *longitude);

/* The time of the newest value of a field, also of an invalid one; ms since 1970, 0: none. */
int64_t fr_car_time(const struct fr_car *car, enum fr_car_field field);

#endif
