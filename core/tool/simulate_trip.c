#include "tool/simulate_trip.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "sim/load.h"
#include "sim/sim_loop.h"
#include "sim/trip.h"
#include "sim/vehicle_client.h"
#include "util/clock.h"
#include "util/redact.h"

struct trip_run {
    const struct simulate_arguments *arguments;
    struct fr_sim_loop *sim_loop;
    struct fr_car *car, *wifi; /* `wifi` is the Wi-Fi connection at home; NULL: no --overlap */
    struct fr_trip *trip;
    struct event *bucket, *interrupt;
    int64_t begun_ms; /* monotonic time of the start; 0: not started */
    int64_t next_ms;  /* trip time of the next bucket */
    uint64_t messages, acknowledged, refused;
    bool tunnel_done, wifi_started, ended;
    char last_error[160];
};

static void trip_acknowledged(void *ctx, struct fr_car *car, const char *txid, int64_t waited_us)
{
    struct trip_run *run = ctx;

    (void)car, (void)txid, (void)waited_us;
    run->acknowledged++;
}

static void trip_refused(void *ctx, struct fr_car *car, const char *txid)
{
    struct trip_run *run = ctx;

    (void)car, (void)txid;
    run->refused++;
}

static void trip_closed(void *ctx, struct fr_car *car, const char *reason)
{
    struct trip_run *run = ctx;

    (void)car;
    snprintf(run->last_error, sizeof run->last_error, "%s", reason);
    if (!run->arguments->quiet)
        fprintf(stderr, "\nnot connected: %s\n", reason);
}

static void trip_send_bucket(struct trip_run *run, int64_t ms)
{
    struct fr_sim_datum data[FR_TRIP_DATA_MAX];
    size_t count = fr_trip_bucket(run->trip, ms, data);
    struct fr_buffer payload = {0};
    struct fr_car *car = run->wifi != NULL && fr_car_is_open(run->wifi) ? run->wifi : run->car;

    if (count == 0)
        return;
    fr_sim_payload(&payload, data, count, run->arguments->vin, fr_wall_ns(), false);
    fr_car_send(car, "V", payload.bytes, payload.len);
    run->messages++;
    fr_buffer_free(&payload);
}

static void trip_print_progress(const struct trip_run *run)
{
    char shown[FR_REDACTED_VIN_SIZE];

    if (run->arguments->quiet)
        return;
    fprintf(stderr, "\r%s  %3lld s  %-16s %llu messages, %llu acknowledged ",
            fr_display_vin(run->arguments->vin, shown), (long long)run->next_ms / 1000,
            fr_trip_phase(run->next_ms), (unsigned long long)run->messages,
            (unsigned long long)run->acknowledged);
    fflush(stderr);
}

/* At home, open the Wi-Fi connection; close the LTE connection when charging starts. */
static void trip_change_network(struct trip_run *run)
{
    if (run->arguments->overlap && run->wifi != NULL &&
        strcmp(fr_trip_phase(run->next_ms), "parked at home") == 0 && !run->wifi_started) {
        run->wifi_started = true;
        fr_car_connect(run->wifi);
    }
    if (run->arguments->overlap && run->wifi != NULL &&
        strcmp(fr_trip_phase(run->next_ms), "charging") == 0 && fr_car_is_open(run->car) &&
        fr_car_is_open(run->wifi) && fr_car_waiting(run->car) == 0)
        fr_car_leave(run->car);
}

static void trip_tunnel(struct trip_run *run)
{
    const double *tunnel = run->arguments->tunnel;

    if (run->tunnel_done || !(tunnel[1] > 0) || (double)run->next_ms < tunnel[0] * 1000)
        return;
    run->tunnel_done = true;
    fr_car_lose_connection(run->car, (int64_t)(tunnel[1] * 1000 / run->arguments->speed));
}

static void trip_bucket_due(evutil_socket_t fd, short what, void *ctx)
{
    struct trip_run *run = ctx;
    int64_t now = fr_monotonic_ms(), trip_ms;
    size_t waiting = fr_car_waiting(run->car) + (run->wifi != NULL ? fr_car_waiting(run->wifi) : 0);

    (void)fd, (void)what;
    if (run->begun_ms == 0 && !fr_car_is_open(run->car))
        return;
    if (run->begun_ms == 0)
        run->begun_ms = now;
    trip_ms = (int64_t)((double)(now - run->begun_ms) * run->arguments->speed);
    while (run->next_ms <= trip_ms && run->next_ms <= fr_trip_duration_ms()) {
        trip_send_bucket(run, run->next_ms);
        trip_tunnel(run);
        trip_change_network(run);
        trip_print_progress(run);
        run->next_ms += FR_TRIP_BUCKET_MS;
    }
    if (run->next_ms > fr_trip_duration_ms() && waiting == 0) {
        run->ended = true;
        event_base_loopbreak(fr_sim_loop_base(run->sim_loop));
    }
}

static void trip_interrupted(evutil_socket_t fd, short what, void *ctx)
{
    struct trip_run *run = ctx;

    (void)fd, (void)what;
    event_base_loopbreak(fr_sim_loop_base(run->sim_loop));
}

int fr_simulate_trip(const struct simulate_arguments *a, struct fr_pki *pki, const char *host,
                     uint16_t port, struct fr_error *error)
{
    struct trip_run run = {.arguments = a};
    struct fr_car_settings settings = {
        .vin = a->vin,
        .server_name = "localhost",
        .network_interface = "cellular",
        .window = a->window,
        .acknowledged = trip_acknowledged,
        .refused = trip_refused,
        .closed = trip_closed,
        .ctx = &run,
    };
    struct timeval interval = {0, 20000};

    settings.context = fr_pki_vehicle(pki, a->vin, FR_PKI_GOOD, error);
    if (settings.context == NULL ||
        fr_load_resolve(host, port, &settings.address, &settings.address_len, error) != 0)
        return -1;
    run.sim_loop = fr_sim_loop_new();
    run.trip = fr_trip_new(a->home[0], a->home[1]);
    run.car = fr_car_new(run.sim_loop, &settings);
    settings.network_interface = "wifi";
    if (a->overlap)
        run.wifi = fr_car_new(run.sim_loop, &settings);
    SSL_CTX_free(settings.context);
    run.bucket = event_new(fr_sim_loop_base(run.sim_loop), -1, EV_PERSIST, trip_bucket_due, &run);
    run.interrupt = evsignal_new(fr_sim_loop_base(run.sim_loop), SIGINT, trip_interrupted, &run);
    event_add(run.bucket, &interval);
    event_add(run.interrupt, NULL);
    fr_car_connect(run.car);
    event_base_dispatch(fr_sim_loop_base(run.sim_loop));
    if (!a->quiet)
        fputc('\n', stderr);
    printf("%llu messages, %llu acknowledged, %llu refused\n", (unsigned long long)run.messages,
           (unsigned long long)run.acknowledged, (unsigned long long)run.refused);
    fr_car_leave(run.car);
    fr_car_free(run.car);
    if (run.wifi != NULL) {
        fr_car_leave(run.wifi);
        fr_car_free(run.wifi);
    }
    event_free(run.bucket);
    event_free(run.interrupt);
    fr_trip_free(run.trip);
    fr_sim_loop_free(run.sim_loop);
    if (!run.ended)
        return fr_error_set(error, "the trip did not end%s%s", run.last_error[0] ? ": " : "",
                            run.last_error);
    return 0;
}
