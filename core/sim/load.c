#include "sim/load.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "sim/load_connections.h"
#include "sim/load_data.h"
#include "sim/load_state.h"
#include "sim/load_vehicles.h"
#include "sim/vehicle_send.h"
#include "util/clock.h"
#include "util/memory.h"

#define TICK_US 10000
#define FINE_TICK_US 1000
#define FINE_RATE 100 /* messages of the fleet per second above which the fine tick is used */
#define CHECK_MS 50   /* between two looks for unanswered messages */

/* ---- messages -------------------------------------------------------------------- */

/* Set the sequence field, or append it if the data lack it. Returns the number of data. */
static size_t load_number_message(struct load_vehicle *v, struct fr_sim_datum *data, size_t count)
{
    struct fr_sim_datum sequence = {v->load->settings.sequence_field, 5, 0, 0, 0, NULL};
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
    struct fr_load *load = v->load;
    struct fr_buffer payload = {0};
    size_t n = load_number_message(v, load->data, load->data_count);
    char vin[18];

    fr_load_vin(load->settings.first + (size_t)(v - load->vehicles), vin);
    fr_sim_payload(&payload, load->data, n, vin, fr_wall_ns(), false);
    fr_car_send(v->car, "V", payload.bytes, payload.len);
    fr_buffer_free(&payload);
}

static bool load_saturating(const struct fr_load *load)
{
    return !(load->phase->rate > 0) && load->settings.window > 0;
}

/* When the fleet's message with this number in the phase is due, in us. */
static int64_t load_due_us(const struct fr_load *load, uint64_t number)
{
    return load->begun_us + (int64_t)((double)number * load->step_us);
}

static int64_t load_delay_us(const struct load_vehicle *v, uint64_t number, int64_t now_us,
                             int64_t waited_us)
{
    const struct fr_load *load = v->load;
    size_t index = (size_t)(v - load->vehicles);

    if (!load->settings.from_due || !(load->phase->rate > 0) || number < v->made_before)
        return waited_us;
    return now_us - load_due_us(load, (number - v->made_before) * load->settings.vehicles + index);
}

static void load_acknowledged(void *ctx, struct fr_car *car, const char *txid, int64_t waited_us)
{
    struct load_vehicle *v = ctx;
    struct fr_load *load = v->load;
    const char *dash = strrchr(txid, '-');
    uint64_t number = dash != NULL ? strtoull(dash + 1, NULL, 10) : 0;
    uint32_t *last = load->settings.last_acknowledged;
    int64_t now_us = fr_car_now_us();

    (void)car;
    if (last != NULL && last[v - load->vehicles] <= number)
        last[v - load->vehicles] = (uint32_t)number + 1;
    if (load->phase == NULL)
        return;
    load->result.acknowledged++;
    fr_load_delays_add(&load->delays, load_delay_us(v, number, now_us, waited_us));
    if (load->running &&
        (double)(now_us - load->last_acknowledged_us) / 1000 > load->result.max_gap_ms)
        load->result.max_gap_ms = (double)(now_us - load->last_acknowledged_us) / 1000;
    load->last_acknowledged_us = now_us;
    if (load->settings.acknowledged != NULL)
        fprintf(load->settings.acknowledged, "%s\n", txid);
    if (load->running && load_saturating(load))
        load_send_one(v);
}

static void load_refused(void *ctx, struct fr_car *car, const char *txid)
{
    struct load_vehicle *v = ctx;

    (void)car, (void)txid;
    v->load->result.refused++;
}

/* ---- a phase --------------------------------------------------------------------- */

static uint64_t load_sum(const struct fr_load *load, uint64_t (*number)(const struct fr_car *))
{
    uint64_t sum = 0;

    for (size_t i = 0; i < load->settings.vehicles; i++)
        sum += number(load->vehicles[i].car);
    return sum;
}

static uint64_t load_waiting(const struct fr_car *car)
{
    return fr_car_waiting(car);
}

static void load_begin(struct fr_load *load, const struct fr_load_phase *phase)
{
    const struct fr_load_settings *s = &load->settings;

    memset(&load->result, 0, sizeof load->result);
    memset(&load->delays, 0, sizeof load->delays);
    memset(&load->late, 0, sizeof load->late);
    load->phase = phase;
    if (s->connected != NULL)
        s->connected(s->ctx);
    load->running = true;
    load->next = load->acknowledged_before = 0;
    load->step_us = phase->rate > 0 ? 1e6 / (phase->rate * (double)s->vehicles) : 0;
    load->begun_us = load->last_acknowledged_us = fr_car_now_us();
    load->begun_ms = load->last_tick_ms = load->next_check_ms = fr_monotonic_ms();
    load->next_second_ms = load->begun_ms + 1000;
    for (size_t i = 0; i < s->vehicles; i++) {
        struct load_vehicle *v = &load->vehicles[i];

        v->made_before = v->made;
        for (size_t k = 0; load_saturating(load) && k < s->window; k++)
            load_send_one(v);
    }
}

static void load_send_due(struct fr_load *load)
{
    int64_t now_us = fr_car_now_us(), due_us;

    while ((due_us = load_due_us(load, load->next)) <= now_us) {
        load_send_one(&load->vehicles[load->next++ % load->settings.vehicles]);
        fr_load_delays_add(&load->late, fr_car_now_us() - due_us);
    }
}

static void load_each_second(struct fr_load *load, int64_t now_ms)
{
    const struct fr_load_settings *s = &load->settings;

    load->next_second_ms += 1000;
    if (load->running && load->result.acknowledged == load->acknowledged_before)
        load->result.silent_seconds++;
    load->acknowledged_before = load->result.acknowledged;
    if (s->second != NULL)
        s->second(s->ctx);
    if (s->progress != NULL) {
        fprintf(s->progress, "\r%4lld s  %zu vehicles  %llu acknowledged ",
                (long long)(now_ms - load->begun_ms) / 1000, load->open,
                (unsigned long long)load->result.acknowledged);
        fflush(s->progress);
    }
}

static void load_end_running(struct fr_load *load, int64_t now_ms)
{
    double gap_ms = (double)(fr_car_now_us() - load->last_acknowledged_us) / 1000;

    if (gap_ms > load->result.max_gap_ms)
        load->result.max_gap_ms = gap_ms;
    load->running = false;
    load->deadline_ms = now_ms + load->phase->patience_ms;
    load->result.seconds = (double)(now_ms - load->begun_ms) / 1000;
}

static void load_tick_sending(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_load *load = ctx;
    int64_t now_ms = fr_monotonic_ms();

    (void)fd, (void)what;
    if (load->running && load->phase->rate > 0)
        load_send_due(load);
    if (load->running && load->settings.reconnect_ms > 0 && now_ms > load->last_tick_ms)
        fr_load_lose_connections(load, now_ms - load->last_tick_ms);
    load->last_tick_ms = now_ms;
    if (now_ms >= load->next_second_ms)
        load_each_second(load, now_ms);
    if (load->running && (load->interrupted || now_ms - load->begun_ms >= load->phase->duration_ms))
        load_end_running(load, now_ms);
    if (load->running || now_ms < load->next_check_ms)
        return;
    load->next_check_ms = now_ms + CHECK_MS;
    if (now_ms >= load->deadline_ms || load_sum(load, load_waiting) == 0)
        fr_load_stop_loop(load);
}

void fr_load_send(struct fr_load *load, const struct fr_load_phase *phase,
                  struct fr_load_result *result)
{
    uint64_t sent = load_sum(load, fr_car_sent), dropped = load_sum(load, fr_car_dropped);
    bool fine = phase->rate * (double)load->settings.vehicles > FINE_RATE;

    load_begin(load, phase);
    fr_load_run_loop(load, fine ? FINE_TICK_US : TICK_US, load_tick_sending);
    load->phase = NULL;
    if (load->settings.progress != NULL)
        fputc('\n', load->settings.progress);
    *result = load->result;
    result->sent = load_sum(load, fr_car_sent) - sent;
    result->dropped = load_sum(load, fr_car_dropped) - dropped;
    result->unanswered = load_sum(load, load_waiting);
    result->p50_ms = fr_load_delays_ms(&load->delays, 0.50);
    result->p99_ms = fr_load_delays_ms(&load->delays, 0.99);
    result->max_ms = (double)load->delays.max_us / 1000;
    result->late_p99_ms = fr_load_delays_ms(&load->late, 0.99);
}

/* ---- the load -------------------------------------------------------------------- */

/* SIGINT ends the duration; the patience for acknowledgements follows. */
static void load_interrupted(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_load *load = ctx;

    (void)fd, (void)what;
    load->interrupted = true;
}

void fr_load_run_loop(struct fr_load *load, int64_t interval_us, event_callback_fn tick)
{
    struct event_base *base = fr_sim_loop_base(load->sim_loop);
    struct timeval interval = {0, interval_us};
    struct event *event = event_new(base, -1, EV_PERSIST, tick, load);

    event_add(event, &interval);
    event_base_dispatch(base);
    event_free(event);
}

void fr_load_stop_loop(struct fr_load *load)
{
    event_base_loopbreak(fr_sim_loop_base(load->sim_loop));
}

struct fr_load *fr_load_new(const struct fr_load_settings *settings, struct fr_pki *pki,
                            struct fr_error *error)
{
    struct fr_load *load = fr_calloc(1, sizeof *load);
    const struct fr_car_settings callbacks = {
        .opened = fr_load_opened,
        .acknowledged = load_acknowledged,
        .refused = load_refused,
        .closed = fr_load_closed,
    };

    load->settings = *settings;
    load->sim_loop = fr_sim_loop_new();
    load->vehicles = fr_calloc(settings->vehicles, sizeof *load->vehicles);
    load->offline = fr_calloc(settings->vehicles, sizeof *load->offline);
    load->data = fr_calloc(settings->data + 1, sizeof *load->data);
    load->data_count = fr_load_data(load->data, settings->data);
    load->interrupt =
        evsignal_new(fr_sim_loop_base(load->sim_loop), SIGINT, load_interrupted, load);
    event_add(load->interrupt, NULL);
    if (fr_load_make_vehicles(load, &callbacks, pki, error) != 0) {
        fr_load_free(load);
        return NULL;
    }
    return load;
}

void fr_load_free(struct fr_load *load)
{
    if (load == NULL)
        return;
    for (size_t i = 0; i < load->settings.vehicles && load->vehicles[i].car != NULL; i++) {
        fr_car_leave(load->vehicles[i].car);
        fr_car_free(load->vehicles[i].car);
    }
    event_free(load->interrupt);
    fr_sim_loop_free(load->sim_loop);
    free(load->vehicles);
    free(load->offline);
    free(load->data);
    free(load);
}

int fr_load_run(const struct fr_load_settings *settings, struct fr_pki *pki,
                struct fr_load_result *result, struct fr_error *error)
{
    const struct fr_load_phase phase = {settings->rate, settings->duration_ms,
                                        settings->patience_ms};
    struct fr_load *load = fr_load_new(settings, pki, error);
    int status = load != NULL ? fr_load_connect(load, error) : -1;

    memset(result, 0, sizeof *result);
    if (status == 0)
        fr_load_send(load, &phase, result);
    fr_load_free(load);
    return status;
}
