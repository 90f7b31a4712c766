/* The contents of struct fr_load. Internal to core/sim. */
#ifndef FR_LOAD_STATE_H
#define FR_LOAD_STATE_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/load.h"
#include "sim/load_delays.h"
#include "sim/sim_loop.h"
#include "sim/sim_message.h"
#include "sim/vehicle_client.h"

struct load_vehicle {
    struct fr_load *load;
    struct fr_car *car;
    uint64_t made;           /* messages created so far; the buffer gives them numbers from 0 */
    uint64_t made_before;    /* those of former phases */
    int64_t reconnect_at_ms; /* valid while the vehicle is in `offline` */
    bool open;
};

struct fr_load {
    struct fr_load_settings settings;
    struct fr_sim_loop *sim_loop;
    struct load_vehicle *vehicles;
    struct fr_sim_datum *data; /* of each message, with capacity for the sequence field */
    size_t data_count;
    size_t open, started;
    struct event *interrupt;
    bool interrupted;
    char last_error[FR_CAR_REASON_SIZE];

    /* With settings.hold_reconnect: a ring of the vehicles that connect again after a pause, the
     * one with the earliest time first. A vehicle is in it at most once. */
    bool reconnecting; /* vehicles that are disconnected now enter the ring */
    size_t *offline, offline_first, offline_count;
    uint64_t failed_attempts; /* connections that ended before they were open */

    void (*on_open)(struct fr_load *load); /* a vehicle has connected; may be NULL */
    void *on_open_ctx;

    /* The current phase. */
    const struct fr_load_phase *phase;
    struct fr_load_result result;
    struct fr_load_delays delays, late;
    bool running;
    double step_us; /* between two messages of the fleet */
    uint64_t next;  /* number of the fleet's next message in this phase */
    int64_t begun_us, begun_ms, last_tick_ms, next_second_ms, next_check_ms, deadline_ms;
    int64_t last_acknowledged_us;
    uint64_t acknowledged_before; /* at the begin of the current second */
};

/* Run the loop and call `tick` each `interval_us`, until fr_load_stop_loop(). */
void fr_load_run_loop(struct fr_load *load, int64_t interval_us, event_callback_fn tick);
void fr_load_stop_loop(struct fr_load *load);

#endif
