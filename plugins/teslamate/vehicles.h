/*
 * The vehicles of a sink as TeslaMate is to see them: their values, whether they are online, and the
 * time that both the stream and vehicle_data have.
 *
 * TeslaMate drops frames older than its last answer, and answers older than its last frame. So a
 * vehicle has one time, that of its newest record, which never goes back. Deliveries of one record
 * make one frame.
 *
 * The table owns the vehicles; they are valid as long as the table. Used on the sink's thread.
 */
#ifndef FR_TESLAMATE_VEHICLES_H
#define FR_TESLAMATE_VEHICLES_H

#include "car_state/car.h"
#include "car_state/car_ids.h"
#include "fleetroute/plugin.h"
#include "teslamate/awake.h"

struct subscription;

struct vehicle {
    struct vehicle *next, *next_dirty;
    const struct fr_car *car;
    uint32_t id; /* both `id` and `vehicle_id` of Tesla's API */
    struct awake awake;
    const char *away; /* "asleep" or "offline": the state while it is not online */
    bool online;      /* as reported last */
    bool dirty;       /* the frame is not yet reported */
    int64_t as_of_ms; /* since 1970; 0: no record */
    int64_t frame_ms; /* time of the present frame, as measured */
    struct subscription *subscriptions; /* for the owner of the table */
};

struct vehicles_events {
    void (*added)(void *ctx, struct vehicle *vehicle);
    void (*frame)(void *ctx, struct vehicle *vehicle); /* online, and it has new values */
    void (*state)(void *ctx, struct vehicle *vehicle); /* it came online, or went away */
};

struct vehicles;

/* Make an empty table. `ids` must outlive it. NULL: no memory. */
struct vehicles *vehicles_new(struct fr_car_ids *ids, const struct vehicles_events *events,
                              void *ctx);

/* Free the table; NULL is allowed. */
void vehicles_free(struct vehicles *vehicles);

/* Receive a delivery. Events of earlier records of the vehicle are called at once, those of the last
 * ones in vehicles_flush(). False: there are too many vehicles, or no memory. */
bool vehicles_receive(struct vehicles *vehicles, const struct fr_delivery *delivery,
                      int64_t now_ms);

/* Call the events of the last records: at the end of each batch. */
void vehicles_flush(struct vehicles *vehicles);

/* Apply the time that has passed. To be called every few seconds. */
void vehicles_pass_time(struct vehicles *vehicles, int64_t now_ms);

/* The vehicle with a VIN or a number in decimal; NULL: none. */
struct vehicle *vehicles_find(const struct vehicles *vehicles, const char *vin_or_id);

/* The first vehicle in the order of first appearance; NULL: none. */
struct vehicle *vehicles_first(const struct vehicles *vehicles);

/* Whether vehicles send values while no record of a connection has arrived: such records are not routed to
 * the sink, and no vehicle would ever sleep. */
bool vehicles_lack_presence(const struct vehicles *vehicles);

/* "online", "asleep" or "offline". A static text. */
const char *vehicle_state(const struct vehicle *vehicle);

#endif
