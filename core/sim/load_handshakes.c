#include "sim/load_handshakes.h"

#include <stdio.h>
#include <stdlib.h>

#include "sim/load.h"
#include "sim/sim_loop.h"
#include "sim/vehicle_client.h"
#include "util/clock.h"
#include "util/memory.h"

struct handshakes {
    int64_t count; /* successful handshakes */
    int64_t until_ms;
    struct event_base *base;
    char last_error[160];
};

static void handshakes_opened(void *ctx, struct fr_car *car)
{
    struct handshakes *h = ctx;

    h->count++;
    if (fr_monotonic_ms() >= h->until_ms)
        event_base_loopbreak(h->base);
    else
        fr_car_lose_connection(car, 0);
}

static void handshakes_closed(void *ctx, struct fr_car *car, const char *reason)
{
    struct handshakes *h = ctx;

    (void)car;
    snprintf(h->last_error, sizeof h->last_error, "%s", reason);
    if (fr_monotonic_ms() >= h->until_ms)
        event_base_loopbreak(h->base);
}

/* Each vehicle has its own VIN because the server limits the connections of one VIN. */
static struct fr_car *handshakes_new_car(struct fr_sim_loop *sim_loop, struct fr_pki *pki,
                                         struct fr_car_settings *settings, size_t i,
                                         struct fr_error *error)
{
    struct fr_car *car;
    char vin[18];

    fr_load_vin(i, vin);
    settings->vin = vin;
    settings->context = fr_pki_vehicle(pki, vin, FR_PKI_GOOD, error);
    if (settings->context == NULL)
        return NULL;
    car = fr_car_new(sim_loop, settings);
    SSL_CTX_free(settings->context);
    return car;
}

int64_t fr_load_handshakes(const char *host, uint16_t port, struct fr_pki *pki, size_t parallel,
                           int64_t duration_ms, struct fr_error *error)
{
    struct fr_sim_loop *sim_loop = fr_sim_loop_new();
    struct handshakes h = {.until_ms = fr_monotonic_ms() + duration_ms,
                           .base = fr_sim_loop_base(sim_loop)};
    struct fr_car_settings settings = {.server_name = "localhost",
                                       .network_interface = "cellular",
                                       .window = 1,
                                       .retry_ms = 1,
                                       .opened = handshakes_opened,
                                       .closed = handshakes_closed,
                                       .ctx = &h};
    struct fr_car **cars = fr_calloc(parallel, sizeof(struct fr_car *));

    if (fr_load_resolve(host, port, &settings.address, &settings.address_len, error) != 0)
        h.count = -1;
    for (size_t i = 0; h.count == 0 && i < parallel; i++)
        if ((cars[i] = handshakes_new_car(sim_loop, pki, &settings, i, error)) == NULL)
            h.count = -1;
    for (size_t i = 0; i < parallel && cars[i] != NULL; i++)
        fr_car_connect(cars[i]);
    if (h.count == 0)
        event_base_dispatch(h.base);
    if (h.count == 0) {
        fr_error_set(error, "no handshake succeeded: %s", h.last_error);
        h.count = -1;
    }
    for (size_t i = 0; i < parallel && cars[i] != NULL; i++)
        fr_car_free(cars[i]);
    free(cars);
    fr_sim_loop_free(sim_loop);
    return h.count;
}
