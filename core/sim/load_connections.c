#include "sim/load_connections.h"

#include <stdio.h>
#include <stdlib.h>

#include "util/clock.h"

#define TICK_US 10000
#define LOST_MAX_MS 1000  /* max time until a lost connection is opened again */
#define PAUSE_MS 1000     /* after a failed attempt, with hold_reconnect */
#define CONNECTING_MAX 50 /* max vehicles that connect at the same time */
#define CONNECT_PATIENCE_MS 60000

static void load_start_next(struct fr_load *load)
{
    if (load->started < load->settings.vehicles)
        fr_car_connect(load->vehicles[load->started++].car);
}

void fr_load_opened(void *ctx, struct fr_car *car)
{
    struct load_vehicle *v = ctx;
    struct fr_load *load = v->load;

    (void)car;
    if (!v->open)
        load->open++;
    v->open = true;
    if (load->on_open != NULL)
        load->on_open(load);
    load_start_next(load);
}

static void load_reconnect_later(struct load_vehicle *v)
{
    struct fr_load *load = v->load;
    size_t n = load->settings.vehicles;

    v->reconnect_at_ms = fr_monotonic_ms() + PAUSE_MS;
    load->offline[(load->offline_first + load->offline_count++) % n] = (size_t)(v - load->vehicles);
}

void fr_load_reconnect_due(struct fr_load *load, int64_t now_ms)
{
    while (load->offline_count != 0) {
        struct load_vehicle *v = &load->vehicles[load->offline[load->offline_first]];

        if (v->reconnect_at_ms > now_ms)
            break;
        load->offline_first = (load->offline_first + 1) % load->settings.vehicles;
        load->offline_count--;
        fr_car_connect(v->car);
    }
}

void fr_load_closed(void *ctx, struct fr_car *car, const char *reason)
{
    struct load_vehicle *v = ctx;
    struct fr_load *load = v->load;

    (void)car;
    snprintf(load->last_error, sizeof load->last_error, "%s", reason);
    if (v->open) {
        load->open--;
        load->result.disconnects++;
    } else
        load->failed_attempts++;
    v->open = false;
    if (load->settings.hold_reconnect && load->reconnecting)
        load_reconnect_later(v);
}

void fr_load_lose_connections(struct fr_load *load, int64_t passed_ms)
{
    const struct fr_load_settings *s = &load->settings;
    double share = (double)passed_ms / (double)s->reconnect_ms;

    for (size_t i = 0; i < s->vehicles; i++)
        if ((double)random() < share * (double)RAND_MAX && fr_car_is_open(load->vehicles[i].car)) {
            fr_car_lose_connection(load->vehicles[i].car, random() % LOST_MAX_MS);
            load->result.disconnects++;
        }
}

void fr_load_tick_connecting(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_load *load = ctx;
    int64_t now_ms = fr_monotonic_ms();

    (void)fd, (void)what;
    fr_load_reconnect_due(load, now_ms);
    if (load->open == load->settings.vehicles || now_ms > load->deadline_ms)
        fr_load_stop_loop(load);
}

int fr_load_connect(struct fr_load *load, struct fr_error *error)
{
    const struct fr_load_settings *s = &load->settings;

    load->deadline_ms =
        fr_monotonic_ms() + (s->connect_ms != 0 ? s->connect_ms : CONNECT_PATIENCE_MS);
    load->reconnecting = true;
    for (size_t i = 0; i < (s->connecting != 0 ? s->connecting : CONNECTING_MAX); i++)
        load_start_next(load);
    fr_load_run_loop(load, TICK_US, fr_load_tick_connecting);
    load->reconnecting = false;
    if (load->open == s->vehicles)
        return 0;
    return fr_error_set(error, "%zu of %zu vehicles connected; the last error: %s", load->open,
                        s->vehicles, load->last_error);
}
