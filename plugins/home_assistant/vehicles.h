/*
 * The present states of the entities of all vehicles of a sink. Deliveries are received, and each
 * entity records what the plugin has to announce or publish. Used by mqtt and ha_websocket, which
 * send it to Home Assistant.
 *
 * The table owns vehicles and states; they are valid as long as the table. Used on the sink's
 * thread.
 */
#ifndef FR_VEHICLES_H
#define FR_VEHICLES_H

#include "fleetroute/plugin.h"
#include "home_assistant/entities.h"
#include "home_assistant/entity_state.h"
#include "home_assistant/field_index.h"
#include "home_assistant/position.h"

#define FR_VEHICLES_MAX 20000

struct fr_ha_vehicle {
    struct fr_ha_vehicle *next; /* of all vehicles, in the order of first appearance */
    struct fr_ha_vehicle *next_in_bucket;
    char *name; /* "Melan Y" */
    struct fr_entity_state *states, *last_state;
    struct fr_position position;
    double heading;    /* degrees; -1: unknown */
    double speed_ms;   /* metres per second; -1: unknown */
    double accuracy;   /* of the position, metres; -1: unknown */
    char version[32];  /* of the firmware; "": unknown */
    bool has_presence; /* a presence record was received */
    void *own;         /* for use by the plugin */
    char vin[];
};

struct fr_vehicles;

/* Make an empty table. The catalogue must outlive it. `live_ms` is the maximum age of a live
 * position (struct fr_position). NULL: no memory. */
struct fr_vehicles *fr_vehicles_new(const struct fr_entities *entities, int64_t live_ms);

/* Free the table; NULL is allowed. `free_own` (NULL: none) is called with each `own` that is not
 * NULL. */
void fr_vehicles_free(struct fr_vehicles *vehicles, void (*free_own)(void *own));

/*
 * Receive a delivery: a value, or a presence or connectivity record in JSON. `now_ms`: wall clock.
 * Returns the vehicle, whose states have new bits in `todo`. NULL: FR_VEHICLES_MAX or
 * FR_UNKNOWN_FIELDS_MAX is reached, or no memory.
 */
struct fr_ha_vehicle *fr_vehicles_receive(struct fr_vehicles *vehicles,
                                          const struct fr_delivery *delivery, int64_t now_ms);

/* Add the entities of alerts to a vehicle, before its first alert: an event that is sent when Home
 * Assistant does not have its entity yet is lost. Returns false without memory. */
bool fr_vehicles_add_events(struct fr_vehicles *vehicles, struct fr_ha_vehicle *vehicle);

/* The vehicle with a VIN; NULL: no delivery of it was received. */
struct fr_ha_vehicle *fr_vehicles_find(const struct fr_vehicles *vehicles, const char *vin);

/* The first vehicle in the order of first appearance; NULL: none. */
struct fr_ha_vehicle *fr_vehicles_first(const struct fr_vehicles *vehicles);

/* The model in a VIN, such as "Model Y"; "": unknown. A static text. */
const char *fr_vehicle_model(const char *vin);

#endif
