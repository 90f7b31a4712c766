#include "sim/load.h"

#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "sim/load_data.h"
#include "sim/sim_loop.h"
#include "sim/sim_message.h"
#include "sim/vehicle_buffer.h"
#include "sim/vehicle_client.h"
#include "util/clock.h"
#include "util/memory.h"

#define TICK_MS 10
#define RECONNECT_MAX_MS 1000 /* max time until a lost connection is opened again */
#define CONNECTING_MAX 50     /* max vehicles that connect at the same time */
#define CONNECT_PATIENCE_MS 60000

/* The histogram of latencies has 64 steps for each power of two, from 1 us to more than an hour. */
#define STEPS 64
#define POWERS 32

struct load_vehicle {
    struct load *load;
    struct fr_car *car;
    uint64_t made; /* messages created so far */
    double due;    /* messages that are due and not created yet */
    bool open;
};

struct load {
    const struct fr_load_settings *settings;
    struct fr_sim_loop *sim_loop;
    struct load_vehicle *vehicles;
    struct fr_sim_datum *data; /* of each message, with capacity for the sequence field */
    size_t data_count;
    size_t open, started;
    bool running, failed, interrupted;
    int64_t begun_ms, last_tick_ms, next_second_ms, deadline_ms;
    struct fr_load_result *result;
    uint64_t histogram[POWERS][STEPS];
    struct event *tick, *interrupt;
    char last_error[FR_CAR_REASON_SIZE];
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

static void load_add_latency(struct load *load, int64_t us)
{
    unsigned power = us < STEPS ? 0 : (unsigned)(63 - __builtin_clzll((uint64_t)us)) - 5;
    unsigned step =
        us < STEPS ? (unsigned)(us < 0 ? 0 : us) : (unsigned)(us >> (power - 1)) - STEPS;

    if (power < POWERS)
        load->histogram[power][step & (STEPS - 1)]++;
    if ((double)us / 1000 > load->result->max_ms)
        load->result->max_ms = (double)us / 1000;
}

static double load_percentile(const struct load *load, double share)
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

/* Set the sequence field, or append it if the data lack it. Returns the number of data. */
static size_t load_number_message(struct load_vehicle *v, struct fr_sim_datum *data, size_t count)
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

static void load_send_one(struct load_vehicle *v)
{
    struct load *load = v->load;
    struct fr_buffer payload = {0};
    size_t n = load_number_message(v, load->data, load->data_count);
    char vin[18];

    fr_load_vin(load->settings->first + (size_t)(v - load->vehicles), vin);
    fr_sim_payload(&payload, load->data, n, vin, fr_wall_ns(), false);
    fr_car_send(v->car, "V", payload.bytes, payload.len);
    fr_buffer_free(&payload);
}

static bool load_saturating(const struct load *load)
{
    return !(load->settings->rate > 0) && load->settings->window > 0;
}

static void load_acknowledged(void *ctx, struct fr_car *car, const char *txid, int64_t waited_us)
{
    struct load_vehicle *v = ctx;
    struct load *load = v->load;

    (void)car;
    load->result->acknowledged++;
    load_add_latency(load, waited_us);
    if (load->settings->acknowledged != NULL)
        fprintf(load->settings->acknowledged, "%s\n", txid);
    if (load->running && load_saturating(load))
        load_send_one(v);
}

static void load_refused(void *ctx, struct fr_car *car, const char *txid)
{
    struct load_vehicle *v = ctx;

    (void)car, (void)txid;
    v->load->result->refused++;
}

static void load_start_next(struct load *load)
{
    if (load->started < load->settings->vehicles)
        fr_car_connect(load->vehicles[load->started++].car);
}

static void load_opened(void *ctx, struct fr_car *car)
{
    struct load_vehicle *v = ctx;

    (void)car;
    if (!v->open)
        v->load->open++;
    v->open = true;
    if (!v->load->running)
        load_start_next(v->load);
}

static void load_closed(void *ctx, struct fr_car *car, const char *reason)
{
    struct load_vehicle *v = ctx;

    (void)car;
    snprintf(v->load->last_error, sizeof v->load->last_error, "%s", reason);
    if (v->open) {
        v->load->open--;
        v->load->result->disconnects++;
    }
    v->open = false;
}

/* ---- the run --------------------------------------------------------------------- */

static size_t load_unanswered(const struct load *load)
{
    size_t sum = 0;

    for (size_t i = 0; i < load->settings->vehicles; i++)
        sum += fr_car_waiting(load->vehicles[i].car);
    return sum;
}

static void load_begin(struct load *load, int64_t now)
{
    load->running = true;
    load->begun_ms = load->last_tick_ms = now;
    load->next_second_ms = now + 1000;
    if (load->settings->connected != NULL)
        load->settings->connected(load->settings->ctx);
    for (size_t i = 0; i < load->settings->vehicles; i++) {
        struct load_vehicle *v = &load->vehicles[i];

        /* The vehicles send at different times. */
        v->due = (double)(random() & 0xffff) / 0x10000;
        for (size_t k = 0; load_saturating(load) && k < load->settings->window; k++)
            load_send_one(v);
    }
}

static void load_send_due(struct load *load, int64_t now)
{
    double due = load->settings->rate * (double)(now - load->last_tick_ms) / 1000;

    for (size_t i = 0; i < load->settings->vehicles; i++) {
        struct load_vehicle *v = &load->vehicles[i];

        for (v->due += due; v->due >= 1; v->due -= 1)
            load_send_one(v);
    }
}

/* Close connections at random, independently of each other. */
static void load_lose_connections(struct load *load, int64_t now)
{
    const struct fr_load_settings *s = load->settings;
    double share = (double)(now - load->last_tick_ms) / (double)s->reconnect_ms;

    for (size_t i = 0; i < s->vehicles; i++)
        if ((double)random() < share * (double)RAND_MAX && fr_car_is_open(load->vehicles[i].car)) {
            fr_car_lose_connection(load->vehicles[i].car, random() % RECONNECT_MAX_MS);
            load->result->disconnects++;
        }
}

static void load_each_second(struct load *load, int64_t now)
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

static void load_ticked(evutil_socket_t fd, short what, void *ctx)
{
    struct load *load = ctx;
    const struct fr_load_settings *s = load->settings;
    int64_t now = fr_monotonic_ms();

    (void)fd, (void)what;
    if (load->begun_ms == 0) {
        if (load->open == s->vehicles)
            load_begin(load, now);
        else if (now > load->deadline_ms) {
            load->failed = true;
            event_base_loopbreak(fr_sim_loop_base(load->sim_loop));
        }
        return;
    }
    if (load->running && s->rate > 0)
        load_send_due(load, now);
    if (load->running && s->reconnect_ms > 0)
        load_lose_connections(load, now);
    load->last_tick_ms = now;
    if (now >= load->next_second_ms)
        load_each_second(load, now);
    if (load->running && (load->interrupted || now - load->begun_ms >= s->duration_ms)) {
        load->running = false;
        load->deadline_ms = now + s->patience_ms;
        load->result->seconds = (double)(now - load->begun_ms) / 1000;
    }
    if (!load->running && (now >= load->deadline_ms || load_unanswered(load) == 0))
        event_base_loopbreak(fr_sim_loop_base(load->sim_loop));
}

/* SIGINT ends the duration; the patience for acknowledgements follows. */
static void load_interrupted(evutil_socket_t fd, short what, void *ctx)
{
    struct load *load = ctx;

    (void)fd, (void)what;
    load->interrupted = true;
}

static int load_make_cars(struct load *load, struct fr_pki *pki, struct fr_error *error)
{
    const struct fr_load_settings *s = load->settings;
    struct fr_car_settings car = {
        .server_name = "localhost",
        .network_interface = "cellular",
        .window = s->window != 0 ? s->window : FR_CAR_BUFFER,
        .opened = load_opened,
        .acknowledged = load_acknowledged,
        .refused = load_refused,
        .closed = load_closed,
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
        load->vehicles[i].car = fr_car_new(load->sim_loop, &car);
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
    load->sim_loop = fr_sim_loop_new();
    load->vehicles = fr_calloc(settings->vehicles, sizeof *load->vehicles);
    load->data = fr_calloc(settings->data + 1, sizeof *load->data);
    load->data_count = fr_load_data(load->data, settings->data);
    load->deadline_ms = fr_monotonic_ms() + CONNECT_PATIENCE_MS;
    load->interrupt =
        evsignal_new(fr_sim_loop_base(load->sim_loop), SIGINT, load_interrupted, load);
    load->tick = event_new(fr_sim_loop_base(load->sim_loop), -1, EV_PERSIST, load_ticked, load);
    status = load_make_cars(load, pki, error);
    if (status == 0) {
        event_add(load->tick, &interval);
        event_add(load->interrupt, NULL);
        for (int i = 0; i < CONNECTING_MAX; i++)
            load_start_next(load);
        event_base_dispatch(fr_sim_loop_base(load->sim_loop));
        if (settings->progress != NULL)
            fputc('\n', settings->progress);
        if (load->failed)
            status = fr_error_set(error, "%zu of %zu vehicles connected; the last error: %s",
                                  load->open, settings->vehicles, load->last_error);
        result->unanswered = load_unanswered(load);
        result->p50_ms = load_percentile(load, 0.50);
        result->p99_ms = load_percentile(load, 0.99);
    }
    for (size_t i = 0; i < settings->vehicles && load->vehicles[i].car != NULL; i++) {
        result->sent += fr_car_sent(load->vehicles[i].car);
        result->dropped += fr_car_dropped(load->vehicles[i].car);
        fr_car_leave(load->vehicles[i].car);
        fr_car_free(load->vehicles[i].car);
    }
    event_free(load->tick);
    event_free(load->interrupt);
    fr_sim_loop_free(load->sim_loop);
    free(load->vehicles);
    free(load->data);
    free(load);
    return status;
}
