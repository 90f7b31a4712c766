#include "daemon.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/control_socket.h"
#include "ingest/ingest.h"
#include "record/json.h"
#include "route/routes.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/memory.h"

/* SIGTERM to the end: what vehicles sent is delivered, then the news that they are gone. */
#define DRAIN_RECORDS_MS 6000
#define DRAIN_GOODBYES_MS 2000
#define DRAIN_STEP_MS 5

struct daemon {
    struct fr_setup *setup;
    struct event_base *base;
    struct event *signals[3];
    struct fr_routes *routes;
    struct fr_ingest *ingest;
    struct fr_control *control;
    size_t started; /* sinks */
    int64_t since_ms;
};

/* ---- status ---------------------------------------------------------------------- */

static long resident_kb(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long pages = 0;

    if (file == NULL)
        return 0;
    if (fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void put_sink(struct fr_buffer *out, const struct fr_sink_status *s)
{
    static const char *const healths[] = {"up", "degraded", "down"};

    fr_json_string(out, s->name, strlen(s->name));
    fr_buffer_text(out, ":{\"plugin\":");
    fr_json_string(out, s->plugin, strlen(s->plugin));
    fr_buffer_printf(out, ",\"health\":\"%s\",\"why\":", healths[s->health]);
    fr_json_string(out, s->why, strlen(s->why));
    fr_buffer_printf(
        out,
        ",\"unfinished\":%zu,\"unfinished_bytes\":%zu,\"taken\":%llu,\"delivered\":%llu,"
        "\"retried\":%llu,\"refused\":%llu,\"dropped\":%llu,\"too_old\":%llu,\"not_edges\":%llu,"
        "\"unchanged\":%llu,\"superseded\":%llu,\"untracked\":%llu}",
        s->unfinished, s->unfinished_bytes, (unsigned long long)s->taken,
        (unsigned long long)s->delivered, (unsigned long long)s->retried,
        (unsigned long long)s->refused, (unsigned long long)s->dropped,
        (unsigned long long)s->program.too_old, (unsigned long long)s->program.not_edges,
        (unsigned long long)s->program.unchanged, (unsigned long long)s->program.superseded,
        (unsigned long long)s->program.untracked);
}

static void put_status(void *ctx, struct fr_buffer *out)
{
    struct daemon *d = ctx;

    fr_buffer_printf(out,
                     "{\"version\":\"%s\",\"uptime_ms\":%lld,\"port\":%u,\"connections\":%zu,"
                     "\"resident_kb\":%ld,\"cpu_us\":%lld,\"counters\":{",
                     PACKAGE_VERSION, (long long)(fr_monotonic_ms() - d->since_ms),
                     d->ingest ? fr_ingest_port(d->ingest) : 0,
                     d->ingest ? fr_ingest_connections(d->ingest) : 0, resident_kb(),
                     (long long)fr_cpu_us());
    for (int i = 0; i < FR_COUNTER_END; i++)
        fr_buffer_printf(out, "%s\"%s\":%llu", i ? "," : "", fr_count_name((enum fr_counter)i),
                         (unsigned long long)fr_count_read((enum fr_counter)i));
    fr_buffer_text(out, "},\"sinks\":{");
    for (size_t i = 0; i < d->setup->server->sink_count; i++) {
        struct fr_sink_status status;

        if (i != 0)
            fr_buffer_byte(out, ',');
        fr_sink_status(d->setup->sinks[i], &status);
        put_sink(out, &status);
    }
    fr_buffer_text(out, "}}");
}

/* ---- signals --------------------------------------------------------------------- */

static void stop_signal(evutil_socket_t number, short what, void *ctx)
{
    struct daemon *d = ctx;

    (void)what;
    fr_log(FR_LOG_NOTICE, "signal %d: draining", (int)number);
    event_base_loopbreak(d->base);
}

static void reload_signal(evutil_socket_t number, short what, void *ctx)
{
    (void)number, (void)what, (void)ctx;
    fr_log(FR_LOG_WARNING, "SIGHUP: this version cannot reload; restart it to take changes in");
}

static int catch_signals(struct daemon *d, struct fr_error *error)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};

    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < 3; i++) {
        d->signals[i] = evsignal_new(d->base, numbers[i],
                                     numbers[i] == SIGHUP ? reload_signal : stop_signal, d);
        if (d->signals[i] == NULL || event_add(d->signals[i], NULL) != 0)
            return fr_error_set(error, "cannot catch signal %d", numbers[i]);
    }
    return 0;
}

/* ---- starting and ending --------------------------------------------------------- */

static int start(struct daemon *d, struct fr_error *error)
{
    const struct fr_server_config *c = d->setup->server;
    struct fr_ingest_settings settings = {
        .address = c->address,
        .port = c->port,
        .workers = c->workers,
        .connections = c->connections,
        .unacknowledged = c->unacknowledged,
        .message_size = c->message_size,
        .handshake_timeout_ms = c->handshake_timeout_ms,
        .message_timeout_ms = c->message_timeout_ms,
        .dead_peer_ms = c->dead_peer_ms,
    };

    d->routes = fr_routes_new(d->setup->routing, d->setup->sinks, c->sink_count);
    d->control = fr_control_new(d->base, c->control, d->routes, put_status, d, error);
    if (d->control == NULL)
        return -1;
    for (; d->started < c->sink_count; d->started++)
        if (fr_sink_start(d->setup->sinks[d->started], d->setup->routing, d->started, error) != 0)
            return -1;
    d->ingest = fr_ingest_start(&settings, d->setup->tls, d->routes, error);
    return d->ingest != NULL ? 0 : -1;
}

static bool all_idle(const struct daemon *d)
{
    for (size_t i = 0; i < d->started; i++)
        if (!fr_sink_idle(d->setup->sinks[i]))
            return false;
    return true;
}

/* Let the sinks deliver what they have, for so long at most. */
static void drain_sinks(const struct daemon *d, int64_t most_ms)
{
    int64_t until = fr_monotonic_ms() + most_ms;

    for (size_t i = 0; i < d->started; i++)
        fr_sink_drain(d->setup->sinks[i]);
    while (!all_idle(d) && fr_monotonic_ms() < until)
        usleep(DRAIN_STEP_MS * 1000);
}

static void report_undelivered(const struct daemon *d)
{
    for (size_t i = 0; i < d->started; i++) {
        struct fr_sink_status status;

        fr_sink_status(d->setup->sinks[i], &status);
        if (status.unfinished != 0)
            fr_log(FR_LOG_WARNING, "sink %s ends with %zu records undelivered (%s)", status.name,
                   status.unfinished, status.why);
    }
}

static void end(struct daemon *d)
{
    if (d->ingest != NULL) {
        fr_ingest_quiesce(d->ingest);
        drain_sinks(d, DRAIN_RECORDS_MS);
        fr_ingest_stop(d->ingest);
        drain_sinks(d, DRAIN_GOODBYES_MS);
        report_undelivered(d);
    }
    for (size_t i = 0; i < d->started; i++)
        fr_sink_stop(d->setup->sinks[i]);
    fr_control_free(d->control);
    if (d->ingest != NULL)
        fr_ingest_free(d->ingest);
    fr_routes_free(d->routes);
    for (size_t i = 0; i < 3; i++)
        if (d->signals[i] != NULL)
            event_free(d->signals[i]);
    event_base_free(d->base);
}

int fr_daemon_run(struct fr_setup *setup, void (*ready)(void *ctx), void *ctx,
                  struct fr_error *error)
{
    struct daemon d = {.setup = setup, .since_ms = fr_monotonic_ms()};
    int status = -1;

    if (evthread_use_pthreads() != 0 || (d.base = event_base_new()) == NULL)
        return fr_error_set(error, "libevent cannot be set up");
    if (catch_signals(&d, error) == 0 && start(&d, error) == 0) {
        fr_log(FR_LOG_NOTICE, "fleetrouted %s listens on %s port %u", PACKAGE_VERSION,
               setup->server->address, fr_ingest_port(d.ingest));
        ready(ctx);
        event_base_dispatch(d.base);
        status = 0;
    }
    end(&d);
    if (status == 0)
        fr_log(FR_LOG_NOTICE, "fleetrouted ends; %llu records were acknowledged",
               (unsigned long long)fr_count_read(FR_COUNT_ACKS));
    return status;
}
