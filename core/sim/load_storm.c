#include "sim/load_storm.h"

#include <assert.h>

#include "sim/load_connections.h"
#include "sim/load_state.h"
#include "sim/vehicle_send.h"
#include "util/clock.h"

#define TICK_US 10000
#define CLOSE_MAX_MS 10000

static void storm_note_time(double *at_s, size_t open, size_t wanted, double now_s)
{
    if (*at_s < 0 && open >= wanted)
        *at_s = now_s;
}

static void storm_opened(struct fr_load *load)
{
    struct fr_load_storm *storm = load->on_open_ctx;
    double now_s = (double)(fr_car_now_us() - load->begun_us) / 1e6;
    size_t all = load->settings.vehicles;

    storm_note_time(&storm->half_s, load->open, (all + 1) / 2, now_s);
    storm_note_time(&storm->p99_s, load->open, (all * 99 + 99) / 100, now_s);
    storm_note_time(&storm->all_s, load->open, all, now_s);
}

static void storm_tick_closing(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_load *load = ctx;

    (void)fd, (void)what;
    if (load->open == 0 || fr_monotonic_ms() > load->deadline_ms)
        fr_load_stop_loop(load);
}

void fr_load_storm(struct fr_load *load, int64_t limit_ms, struct fr_load_storm *storm)
{
    assert(load->settings.hold_reconnect);
    *storm = (struct fr_load_storm){.half_s = -1, .p99_s = -1, .all_s = -1};
    load->deadline_ms = fr_monotonic_ms() + CLOSE_MAX_MS;
    fr_load_run_loop(load, TICK_US, storm_tick_closing);
    load->on_open = storm_opened;
    load->on_open_ctx = storm;
    load->failed_attempts = 0;
    load->reconnecting = true;
    load->begun_us = fr_car_now_us();
    load->deadline_ms = fr_monotonic_ms() + limit_ms;
    for (size_t i = 0; i < load->settings.vehicles; i++)
        fr_car_connect(load->vehicles[i].car);
    fr_load_run_loop(load, TICK_US, fr_load_tick_connecting);
    load->reconnecting = false;
    load->on_open = NULL;
    storm->back = load->open;
    storm->failed_attempts = load->failed_attempts;
}
