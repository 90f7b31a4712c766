/*
 * vehicles.h - what each vehicle's entities are now: deliveries go in, changed entities come out.
 * What mqtt.so and ha_websocket.so share; how Home Assistant is told is theirs.
 *
 * A value that is older than the one that an entity has is left out, whatever order they come
 * in. Everything is owned by the fleet; states and vehicles hold as long as it does.
 */
#ifndef FR_VEHICLES_H
#define FR_VEHICLES_H

#include "fleetroute/plugin.h"
#include "home_assistant/entities.h"

#define FR_VEHICLES_MAX 20000
#define FR_UNKNOWN_FIELDS_MAX 1000 /* fields that are not in the catalogue */

/* Bits of what the plugin has to do for an entity. */
enum fr_state_todo {
    FR_TODO_ANNOUNCE = 1 << 0, /* it is new, or its name, unit or options have changed */
    FR_TODO_TELL = 1 << 1,     /* its state has changed */
};

/* One of the values that an entity is made of. */
struct fr_entity_input {
    bool seen;
    bool has_value;
    int64_t created_ms;
    double number; /* for FR_GATHER_MOST */
    char *text;    /* the state it would make; NULL: none */
};

/* One entity of one vehicle. */
struct fr_entity_state {
    struct fr_entity_state *next; /* of the same vehicle, in the order of first appearance */
    const struct fr_entity *entity;
    char *id;        /* the entity's, or made of a route's `as` */
    char *name;      /* the same */
    char *unit;      /* of the values as they come; NULL: none */
    char *text;      /* the state; NULL: unknown */
    bool is_number;  /* `text` is one, in JSON too */
    char *unlisted;  /* an option that the catalogue does not know; NULL: none */
    unsigned todo;   /* FR_TODO_*; the plugin takes bits away */
    bool is_tracker; /* the vehicle's place: see `position`, not `text` */
    double latitude; /* of any device_tracker, if has_place */
    double longitude;
    bool has_place;
    uint64_t note; /* the plugin's own */
    struct fr_entity_input inputs[];
};

/* Where the vehicle is, as far as it said. */
struct fr_position {
    bool known;
    double latitude, longitude;
    int64_t created_ms;
    bool live; /* it came as it happened: neither old, nor repeated, nor restored */
};

struct fr_ha_vehicle {
    struct fr_ha_vehicle *next; /* of all */
    struct fr_ha_vehicle *next_in_bucket;
    char *name; /* "Melan Y" */
    struct fr_entity_state *states, *last_state;
    struct fr_position position;
    double heading;   /* degrees; -1: not known */
    double speed_ms;  /* metres a second; -1: not known */
    double accuracy;  /* metres; -1: not known */
    char version[32]; /* of its firmware; "" */
    bool has_presence;
    void *own; /* the plugin's */
    char vin[];
};

struct fr_vehicles;

/* Both outlive the table. `live_ms`: a position older than this did not come as it happened. */
struct fr_vehicles *fr_vehicles_new(const struct fr_entities *entities, int64_t live_ms);

/* `free_own` is called for each vehicle whose `own` is not NULL. */
void fr_vehicles_free(struct fr_vehicles *vehicles, void (*free_own)(void *own));

/* Take a delivery in: a value, or a record of presence or connectivity in JSON. Returns the
 * vehicle, whose states then say what is to be done; NULL: there are too many vehicles or unknown
 * fields, or no memory. `position` is set to true when the vehicle's place is newly known. */
struct fr_ha_vehicle *fr_vehicles_take(struct fr_vehicles *vehicles,
                                       const struct fr_delivery *delivery, int64_t now_ms,
                                       bool *position);

/* A vehicle that has been seen; NULL: it has not. */
struct fr_ha_vehicle *fr_vehicles_find(const struct fr_vehicles *vehicles, const char *vin);

/* The first of all vehicles, in the order of first appearance. */
struct fr_ha_vehicle *fr_vehicles_first(const struct fr_vehicles *vehicles);

/* "Model Y", from the VIN; "" where it does not tell. */
const char *fr_vehicle_model(const char *vin);

/* Whether two places are the same for Home Assistant: less than a metre apart. */
bool fr_same_place(double latitude, double longitude, double other_latitude,
                   double other_longitude);

#endif
