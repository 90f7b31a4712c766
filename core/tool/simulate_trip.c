#include "tool/simulate_trip.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <time.h>

#include "sim/load.h"
#include "sim/pushed_sampler.h"
#include "sim/sim_loop.h"
#include "sim/trip.h"
#include "sim/vehicle_client.h"
#include "util/clock.h"
#include "util/plural.h"
#include "util/redact.h"

struct trip_run {
    const struct simulate_arguments *arguments;
    const struct fr_pushed_config *config; /* NULL: none */
    struct fr_pushed_sampler *sampler;     /* of `config` */
    struct fr_sim_loop *sim_loop;
    struct fr_car *car, *wifi; /* `wifi` is the Wi-Fi connection at home; NULL: no --overlap */
    struct fr_trip *trip;
    struct event *bucket, *interrupt;
    int64_t begun_ms; /* monotonic time of the start; 0: not started */
    int64_t next_ms;  /* trip time of the next bucket */
    uint64_t messages, acknowledged, refused;
    bool tunnel_done, wifi_started, ended;
    const char *refused_because; /* the vehicle must not connect; NULL: it may */
    char last_error[FR_CAR_REASON_SIZE];
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

static void trip_refuse(struct trip_run *run, const char *cause)
{
    run->refused_because = cause;
    event_base_loopbreak(fr_sim_loop_base(run->sim_loop));
}

static void trip_closed(void *ctx, struct fr_car *car, const char *reason)
{
    struct trip_run *run = ctx;

    snprintf(run->last_error, sizeof run->last_error, "%s", reason);
    if (run->config != NULL && fr_car_distrusts_server(car))
        trip_refuse(run, run->last_error);
    else if (!run->arguments->quiet)
        fprintf(stderr, "\nnot connected: %s%s\n", reason,
                fr_car_distrusts_server(car) ? ": tls.certificate of the daemon must be server.pem "
                                               "in the folder that --pki names"
                                             : "");
}

/* Returns the number of data that the vehicle sends in the bucket that ends at `ms`. */
static size_t trip_sample_bucket(struct trip_run *run, int64_t ms, struct fr_sim_datum *data)
{
    struct fr_sim_datum values[FR_TRIP_DATA_MAX];

    if (run->sampler == NULL)
        return fr_trip_bucket(run->trip, ms, data);
    return fr_pushed_sampler_select(run->sampler, ms, values, fr_trip_values(run->trip, ms, values),
                                    data);
}

static void trip_send_bucket(struct trip_run *run, int64_t ms)
{
    struct fr_sim_datum data[FR_TRIP_DATA_MAX];
    size_t count = trip_sample_bucket(run, ms, data);
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

    if (run->arguments->quiet || !isatty(STDERR_FILENO))
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

static size_t trip_waiting(const struct trip_run *run)
{
    return fr_car_waiting(run->car) + (run->wifi != NULL ? fr_car_waiting(run->wifi) : 0);
}

static bool trip_is_expired(const struct fr_pushed_config *config)
{
    return config->expires_s != 0 && fr_wall_ms() / 1000 >= config->expires_s;
}

static void trip_bucket_due(evutil_socket_t fd, short what, void *ctx)
{
    struct trip_run *run = ctx;
    int64_t now = fr_monotonic_ms(), trip_ms;

    (void)fd, (void)what;
    if (run->config != NULL && trip_is_expired(run->config)) {
        trip_refuse(run, "the configuration has expired");
        return;
    }
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
    if (run->next_ms > fr_trip_duration_ms() && trip_waiting(run) == 0) {
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

/* ---- the pushed configuration ---------------------------------------------------- */

static int trip_refuse_expired(const struct fr_pushed_config *config, struct fr_error *error)
{
    time_t expires = (time_t)config->expires_s;
    char date[64] = "exp";
    struct tm parts;

    if (!trip_is_expired(config))
        return 0;
    if (gmtime_r(&expires, &parts) != NULL)
        strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S UTC", &parts);
    return fr_error_set(error,
                        "the configuration has expired (exp: %s): a vehicle does not connect; push "
                        "a new configuration",
                        date);
}

static void trip_print_fields(const struct trip_run *run)
{
    struct fr_sim_datum values[FR_TRIP_DATA_MAX];
    size_t count = fr_trip_values(run->trip, 0, values), simulated = 0;

    for (size_t i = 0; i < count; i++)
        simulated += fr_pushed_sampler_has(run->sampler, values[i].field);
    printf("%zu of %zu fields are simulated, %zu unknown fields are ignored\n", simulated,
           run->config->count + run->config->unknown, run->config->unknown);
    fflush(stdout);
}

/* ---- the whole trip -------------------------------------------------------------- */

static int trip_prepare_client(struct trip_run *run, struct fr_car_settings *settings,
                               struct fr_pki *pki, const char *host, uint16_t port,
                               struct fr_error *error)
{
    const struct simulate_arguments *a = run->arguments;

    *settings = (struct fr_car_settings){
        .vin = a->vin,
        .server_name = run->config != NULL ? run->config->hostname : "localhost",
        .network_interface = "cellular",
        .window = a->window,
        .acknowledged = trip_acknowledged,
        .refused = trip_refused,
        .closed = trip_closed,
        .ctx = run,
    };
    if (fr_load_resolve(host, port, &settings->address, &settings->address_len, error) != 0)
        return -1;
    settings->context = fr_pki_vehicle(pki, a->vin, FR_PKI_GOOD, error);
    if (settings->context == NULL)
        return -1;
    if (run->config == NULL || fr_pushed_config_trust(run->config, settings->context, error) == 0)
        return 0;
    SSL_CTX_free(settings->context);
    return -1;
}

static void trip_begin(struct trip_run *run, struct fr_car_settings *settings)
{
    struct event_base *base;
    struct timeval interval = {0, 20000};

    run->sim_loop = fr_sim_loop_new();
    base = fr_sim_loop_base(run->sim_loop);
    run->trip = fr_trip_new(run->arguments->home[0], run->arguments->home[1]);
    if (run->config != NULL) {
        run->sampler = fr_pushed_sampler_new(run->config);
        trip_print_fields(run);
    }
    run->car = fr_car_new(run->sim_loop, settings);
    settings->network_interface = "wifi";
    if (run->arguments->overlap)
        run->wifi = fr_car_new(run->sim_loop, settings);
    run->bucket = event_new(base, -1, EV_PERSIST, trip_bucket_due, run);
    run->interrupt = evsignal_new(base, SIGINT, trip_interrupted, run);
    event_add(run->bucket, &interval);
    event_add(run->interrupt, NULL);
}

static void trip_free(struct trip_run *run)
{
    fr_car_leave(run->car);
    fr_car_free(run->car);
    if (run->wifi != NULL) {
        fr_car_leave(run->wifi);
        fr_car_free(run->wifi);
    }
    event_free(run->bucket);
    event_free(run->interrupt);
    fr_trip_free(run->trip);
    fr_pushed_sampler_free(run->sampler);
    fr_sim_loop_free(run->sim_loop);
}

int fr_simulate_trip(const struct simulate_arguments *a, struct fr_pki *pki,
                     const struct fr_pushed_config *config, const char *host, uint16_t port,
                     struct fr_error *error)
{
    struct trip_run run = {.arguments = a, .config = config};
    struct fr_car_settings settings;

    if ((config != NULL && trip_refuse_expired(config, error) != 0) ||
        trip_prepare_client(&run, &settings, pki, host, port, error) != 0)
        return -1;
    trip_begin(&run, &settings);
    SSL_CTX_free(settings.context);
    fr_car_connect(run.car);
    event_base_dispatch(fr_sim_loop_base(run.sim_loop));
    if (!a->quiet)
        fputc('\n', stderr);
    printf("%llu message%s, %llu acknowledged, %llu refused\n", (unsigned long long)run.messages,
           fr_plural(run.messages), (unsigned long long)run.acknowledged,
           (unsigned long long)run.refused);
    trip_free(&run);
    if (run.refused_because != NULL)
        return fr_error_set(error, "the vehicle does not connect to %s: %s", config->hostname,
                            run.refused_because);
    if (!run.ended)
        return fr_error_set(error, "the trip did not end%s%s", run.last_error[0] ? ": " : "",
                            run.last_error);
    return 0;
}
