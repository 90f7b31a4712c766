#include "sim/load.h"

#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_message.h"
#include "sim/vehicle_client.h"
#include "util/clock.h"
#include "util/memory.h"

#define TICK_MS 10
#define DATA_MAX 64
#define BACK_MOST_MS 1000 /* how long a lost connection stays away, at most */
#define CONNECTING_AT_ONCE 50
#define CONNECT_PATIENCE_MS 60000

/* Latencies in steps of 1/64 of their power of two, from 1 us to over an hour. */
#define STEPS 64
#define POWERS 32

struct vehicle {
    struct load *load;
    struct fr_car *car;
    uint64_t made; /* messages */
    double due;    /* messages that should have been made by now, less those that were */
    bool open;
};

struct load {
    const struct fr_load_settings *settings;
    struct fr_garage *garage;
    struct vehicle *vehicles;
    size_t open, started;
    bool running, failed, interrupted;
    int64_t begun_ms, last_tick_ms, next_second_ms, deadline_ms;
    struct fr_load_result *result;
    uint64_t histogram[POWERS][STEPS];
    struct event *tick, *interrupt;
    char problem[160];
};

void fr_load_vin(size_t n, char vin[18])
{
    snprintf(vin, 18, "5YJ3E1EA7KF%06zu", n % 1000000);
}

int fr_load_resolve(const char *host, uint16_t port, struct sockaddr_storage *address,
                    socklen_t *len, struct fr_error *error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *info;
    char service[8];
    int status;

    snprintf(service, sizeof service, "%u", port);
    status = getaddrinfo(host, service, &hints, &info);
    if (status != 0)
        return fr_error_set(error, "%s: %s", host, gai_strerror(status));
    memcpy(address, info->ai_addr, info->ai_addrlen);
    *len = info->ai_addrlen;
    freeaddrinfo(info);
    return 0;
}

/* ---- latencies ------------------------------------------------------------------- */

static void note(struct load *load, int64_t us)
{
    unsigned power = us < STEPS ? 0 : (unsigned)(63 - __builtin_clzll((uint64_t)us)) - 5;
    unsigned step =
        us < STEPS ? (unsigned)(us < 0 ? 0 : us) : (unsigned)(us >> (power - 1)) - STEPS;

    if (power < POWERS)
        load->histogram[power][step & (STEPS - 1)]++;
    if ((double)us / 1000 > load->result->most_ms)
        load->result->most_ms = (double)us / 1000;
}

static double percentile(const struct load *load, double share)
{
    uint64_t total = 0, seen = 0;

    for (int p = 0; p < POWERS; p++)
        for (int s = 0; s < STEPS; s++)
            total += load->histogram[p][s];
    for (int p = 0; p < POWERS; p++)
        for (int s = 0; s < STEPS; s++) {
            seen += load->histogram[p][s];
            if (total != 0 && (double)seen >= share * (double)total)
                return (p == 0 ? s : (double)((uint64_t)(s + STEPS) << (p - 1))) / 1000;
        }
    return 0;
}

/* ---- messages -------------------------------------------------------------------- */

/* Give the field of the sequence its value; it is appended where the data do not have it. */
static size_t number_message(struct vehicle *v, struct fr_sim_datum *data, size_t count)
{
    struct fr_sim_datum sequence = {v->load->settings->sequence_field, 5, 0, 0, 0, NULL};
    size_t i = 0;

    sequence.real = (double)++v->made;
    if (sequence.field == 0)
        return count;
    while (i < count && data[i].field != sequence.field)
        i++;
    data[i] = sequence;
    return i == count ? count + 1 : count;
}

/* Data as a car in motion has them, in the order of the numbers. */
static void send_one(struct vehicle *v)
{
    static const struct fr_sim_datum pattern[] = {
        {4, 5, 65.5, 0, 0, NULL},
        {5, 5, 18234.5, 0, 0, NULL},
        {8, 5, 61.25, 0, 0, NULL},
        {10, 9, 0, 0, 5, NULL},
        {21, 7, 37.412374, -122.145867, 0, NULL},
        {23, 5, 271.5, 0, 0, NULL},
        {42, 5, 62.1, 0, 0, NULL},
        {85, 5, 21.5, 0, 0, NULL},
    };
    const size_t count = sizeof pattern / sizeof *pattern;
    struct fr_sim_datum data[DATA_MAX + 1];
    struct fr_buffer payload = {0};
    size_t n = v->load->settings->data;
    char vin[18];

    if (n > DATA_MAX)
        n = DATA_MAX;
    for (size_t i = 0; i < n; i++) {
        data[i] = pattern[i % count];
        data[i].field += (uint32_t)(i / count) * 100;
    }
    n = number_message(v, data, n);
    fr_load_vin(v->load->settings->first + (size_t)(v - v->load->vehicles), vin);
    fr_sim_payload(&payload, data, n, vin, fr_wall_ns(), false);
    fr_car_send(v->car, "V", payload.bytes, payload.len);
    fr_buffer_free(&payload);
}

static bool saturating(const struct load *load)
{
    return !(load->settings->rate > 0) && load->settings->window > 0;
}

static void acknowledged(void *ctx, struct fr_car *car, const char *txid, int64_t waited_us)
{
    struct vehicle *v = ctx;
    struct load *load = v->load;

    (void)car;
    load->result->acknowledged++;
    note(load, waited_us);
    if (load->settings->acknowledged != NULL)
        fprintf(load->settings->acknowledged, "%s\n", txid);
    if (load->running && saturating(load))
        send_one(v);
}

static void refused(void *ctx, struct fr_car *car, const char *txid)
{
    struct vehicle *v = ctx;

    (void)car, (void)txid;
    v->load->result->refused++;
}

static void start_next(struct load *load)
{
    if (load->started < load->settings->vehicles)
        fr_car_connect(load->vehicles[load->started++].car);
}

static void opened(void *ctx, struct fr_car *car)
{
    struct vehicle *v = ctx;

    (void)car;
    if (!v->open)
        v->load->open++;
    v->open = true;
    if (!v->load->running)
        start_next(v->load);
}

static void closed(void *ctx, struct fr_car *car, const char *why)
{
    struct vehicle *v = ctx;

    (void)car;
    snprintf(v->load->problem, sizeof v->load->problem, "%s", why);
    if (v->open) {
        v->load->open--;
        v->load->result->disconnects++;
    }
    v->open = false;
}

/* ---- the run --------------------------------------------------------------------- */

static size_t unanswered(const struct load *load)
{
    size_t sum = 0;

    for (size_t i = 0; i < load->settings->vehicles; i++)
        sum += fr_car_waiting(load->vehicles[i].car);
    return sum;
}

static void begin(struct load *load, int64_t now)
{
    load->running = true;
    load->begun_ms = load->last_tick_ms = now;
    load->next_second_ms = now + 1000;
    if (load->settings->connected != NULL)
        load->settings->connected(load->settings->ctx);
    for (size_t i = 0; i < load->settings->vehicles; i++) {
        struct vehicle *v = &load->vehicles[i];

        /* Vehicles do not beat in time. */
        v->due = (double)(random() & 0xffff) / 0x10000;
        for (size_t k = 0; saturating(load) && k < load->settings->window; k++)
            send_one(v);
    }
}

static void make_due(struct load *load, int64_t now)
{
    double due = load->settings->rate * (double)(now - load->last_tick_ms) / 1000;

    for (size_t i = 0; i < load->settings->vehicles; i++) {
        struct vehicle *v = &load->vehicles[i];

        for (v->due += due; v->due >= 1; v->due -= 1)
            send_one(v);
    }
}

/* Connections are lost at random, independently of each other. */
static void lose_connections(struct load *load, int64_t now)
{
    const struct fr_load_settings *s = load->settings;
    double share = (double)(now - load->last_tick_ms) / (double)s->reconnect_ms;

    for (size_t i = 0; i < s->vehicles; i++)
        if ((double)random() < share * (double)RAND_MAX && fr_car_is_open(load->vehicles[i].car)) {
            fr_car_lose_connection(load->vehicles[i].car, random() % BACK_MOST_MS);
            load->result->disconnects++;
        }
}

static void each_second(struct load *load, int64_t now)
{
    const struct fr_load_settings *s = load->settings;

    load->next_second_ms += 1000;
    if (s->second != NULL)
        s->second(s->ctx);
    if (s->progress != NULL) {
        fprintf(s->progress, "\r%4lld s  %zu vehicles  %llu acknowledged ",
                (long long)(now - load->begun_ms) / 1000, load->open,
                (unsigned long long)load->result->acknowledged);
        fflush(s->progress);
    }
}

static void ticked(evutil_socket_t fd, short what, void *ctx)
{
    struct load *load = ctx;
    const struct fr_load_settings *s = load->settings;
    int64_t now = fr_monotonic_ms();

    (void)fd, (void)what;
    if (load->begun_ms == 0) {
        if (load->open == s->vehicles)
            begin(load, now);
        else if (now > load->deadline_ms) {
            load->failed = true;
            event_base_loopbreak(fr_garage_base(load->garage));
        }
        return;
    }
    if (load->running && s->rate > 0)
        make_due(load, now);
    if (load->running && s->reconnect_ms > 0)
        lose_connections(load, now);
    load->last_tick_ms = now;
    if (now >= load->next_second_ms)
        each_second(load, now);
    if (load->running && (load->interrupted || now - load->begun_ms >= s->duration_ms)) {
        load->running = false;
        load->deadline_ms = now + s->patience_ms;
        load->result->seconds = (double)(now - load->begun_ms) / 1000;
    }
    if (!load->running && (now >= load->deadline_ms || unanswered(load) == 0))
        event_base_loopbreak(fr_garage_base(load->garage));
}

/* SIGINT ends the run as its duration does: what is unacknowledged is still waited for. */
static void interrupted(evutil_socket_t fd, short what, void *ctx)
{
    struct load *load = ctx;

    (void)fd, (void)what;
    load->interrupted = true;
}

static int make_cars(struct load *load, struct fr_pki *pki, struct fr_error *error)
{
    const struct fr_load_settings *s = load->settings;
    struct fr_car_settings car = {
        .server_name = "localhost",
        .network_interface = "cellular",
        .window = s->window != 0 ? s->window : FR_CAR_BUFFER,
        .opened = opened,
        .acknowledged = acknowledged,
        .refused = refused,
        .closed = closed,
    };

    if (fr_load_resolve(s->host, s->port, &car.address, &car.address_len, error) != 0)
        return -1;
    for (size_t i = 0; i < s->vehicles; i++) {
        char vin[18];

        fr_load_vin(s->first + i, vin);
        car.vin = vin;
        car.context = fr_pki_vehicle(pki, vin, FR_PKI_GOOD, error);
        if (car.context == NULL)
            return -1;
        load->vehicles[i].load = load;
        car.ctx = &load->vehicles[i];
        load->vehicles[i].car = fr_car_new(load->garage, &car);
        SSL_CTX_free(car.context);
    }
    return 0;
}

int fr_load_run(const struct fr_load_settings *settings, struct fr_pki *pki,
                struct fr_load_result *result, struct fr_error *error)
{
    struct timeval interval = {0, TICK_MS * 1000};
    struct load *load = fr_calloc(1, sizeof *load);
    int status;

    memset(result, 0, sizeof *result);
    load->settings = settings;
    load->result = result;
    load->garage = fr_garage_new();
    load->vehicles = fr_calloc(settings->vehicles, sizeof *load->vehicles);
    load->deadline_ms = fr_monotonic_ms() + CONNECT_PATIENCE_MS;
    load->interrupt = evsignal_new(fr_garage_base(load->garage), SIGINT, interrupted, load);
    load->tick = event_new(fr_garage_base(load->garage), -1, EV_PERSIST, ticked, load);
    status = make_cars(load, pki, error);
    if (status == 0) {
        event_add(load->tick, &interval);
        event_add(load->interrupt, NULL);
        for (int i = 0; i < CONNECTING_AT_ONCE; i++)
            start_next(load);
        event_base_dispatch(fr_garage_base(load->garage));
        if (settings->progress != NULL)
            fputc('\n', settings->progress);
        if (load->failed)
            status = fr_error_set(error, "%zu of %zu vehicles connected; the last problem: %s",
                                  load->open, settings->vehicles, load->problem);
        result->unanswered = unanswered(load);
        result->p50_ms = percentile(load, 0.50);
        result->p99_ms = percentile(load, 0.99);
    }
    for (size_t i = 0; i < settings->vehicles && load->vehicles[i].car != NULL; i++) {
        result->sent += fr_car_sent(load->vehicles[i].car);
        result->dropped += fr_car_dropped(load->vehicles[i].car);
        fr_car_leave(load->vehicles[i].car);
        fr_car_free(load->vehicles[i].car);
    }
    event_free(load->tick);
    event_free(load->interrupt);
    fr_garage_free(load->garage);
    free(load->vehicles);
    free(load);
    return status;
}
