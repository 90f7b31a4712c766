#include "daemon.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon_state.h"
#include "record/normalise.h"
#include "record/value.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/descriptors.h"
#include "util/heap.h"
#include "util/log.h"
#include "util/memory.h"
#include "util/systemd.h"
#include "vehicle_connectivity.pb-c.h"

/* SIGTERM to the end: what vehicles sent is delivered, then the news that they are gone. With a
 * journal nothing depends on it, so nobody waits long for a sink that is down. */
#define DRAIN_RECORDS_MS 6000
#define DRAIN_GOODBYES_MS 2000
#define DRAIN_BESIDE_JOURNAL_MS 2000
#define COMMIT_MS 1500
#define END_SINKS_MS 3000
#define DRAIN_STEP_MS 5
#define FILES_EVERY_MS 5000
#define SYNC_VALUES_MS 5000

/* libevent's own messages, some of which repeat for as long as their cause lasts. */
static void log_libevent(int severity, const char *message)
{
    static struct fr_log_limit limit;

    if (severity >= EVENT_LOG_WARN)
        fr_log_limited(&limit, FR_LOG_WARNING, "libevent: %s", message);
}

/* ---- signals --------------------------------------------------------------------- */

static void stop_signal(evutil_socket_t number, short what, void *ctx)
{
    struct fr_daemon *d = ctx;

    (void)what;
    fr_log(FR_LOG_NOTICE, "signal %d: draining", (int)number);
    event_base_loopbreak(d->base);
}

static void reload_signal(evutil_socket_t number, short what, void *ctx)
{
    (void)number, (void)what;
    fr_daemon_ask_reload(ctx);
}

static void look_at_files(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    fr_daemon_refresh_files(ctx);
}

static void trim_heap(evutil_socket_t fd, short what, void *ctx)
{
    const struct fr_daemon *d = ctx;
    uint64_t work = fr_count_read(FR_COUNT_RECORDS);

    (void)fd, (void)what;
    for (size_t i = 0; i < d->started; i++) {
        struct fr_sink_status s;

        fr_sink_status(d->setup->sinks[i], &s);
        work += s.delivered;
    }
    fr_heap_trim(work);
}

/* Not while only a restart helps: its check of the journal says what to do. */
static void feed_watchdog(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_daemon *d = ctx;

    (void)fd, (void)what;
    if (d->journal == NULL || !fr_journal_hopeless(d->journal))
        fr_systemd_notify("WATCHDOG=1");
}

static int set_watchdog(struct fr_daemon *d, struct fr_error *error)
{
    int64_t every_ms = fr_systemd_watchdog_ms();
    struct timeval pause = fr_timeval(every_ms);

    if (every_ms == 0)
        return 0;
    d->watchdog = event_new(d->base, -1, EV_PERSIST, feed_watchdog, d);
    if (d->watchdog == NULL || event_add(d->watchdog, &pause) != 0)
        return fr_error_set(error, "cannot set up a timer");
    return 0;
}

static int catch_signals(struct fr_daemon *d, struct fr_error *error)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    const struct timeval files = fr_timeval(FILES_EVERY_MS), heap = fr_timeval(FR_HEAP_EVERY_MS);

    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < 3; i++) {
        d->signals[i] = evsignal_new(d->base, numbers[i],
                                     numbers[i] == SIGHUP ? reload_signal : stop_signal, d);
        if (d->signals[i] == NULL || event_add(d->signals[i], NULL) != 0)
            return fr_error_set(error, "cannot catch signal %d", numbers[i]);
    }
    d->reload_timer = event_new(d->base, -1, 0, fr_daemon_reload_due, d);
    if (d->reload_timer == NULL)
        return fr_error_set(error, "cannot set up a timer");
    d->files_timer = event_new(d->base, -1, EV_PERSIST, look_at_files, d);
    d->heap_timer = event_new(d->base, -1, EV_PERSIST, trim_heap, d);
    if (d->files_timer == NULL || event_add(d->files_timer, &files) != 0 || d->heap_timer == NULL ||
        event_add(d->heap_timer, &heap) != 0)
        return fr_error_set(error, "cannot set up a timer");
    return set_watchdog(d, error);
}

/* ---- settings -------------------------------------------------------------------- */

struct fr_ingest_settings fr_daemon_ingest_settings(const struct fr_server_config *c)
{
    return (struct fr_ingest_settings){
        .address = c->address,
        .port = c->port,
        .workers = c->workers,
        .connections = c->connections,
        .connections_per_vin = c->connections_per_vin,
        .connections_per_source = c->connections_per_source,
        .half_open = c->half_open,
        .half_open_per_source = c->half_open_per_source,
        .sockets = fr_descriptors_for_vehicles(),
        .unacknowledged = c->unacknowledged,
        .message_size = c->message_size,
        .handshake_timeout_ms = c->handshake_timeout_ms,
        .message_timeout_ms = c->message_timeout_ms,
        .dead_peer_ms = c->dead_peer_ms,
        .presence_grace_ms = c->presence_grace_ms,
    };
}

struct fr_journal_settings fr_daemon_journal_settings(const struct fr_server_config *c)
{
    return (struct fr_journal_settings){
        .path = c->journal_path,
        .size = c->journal_size,
        .retention_ms = c->journal_retention_ms,
        .when_full = c->journal_full,
        .commit_every_ms = c->journal_commit_every_ms,
        .commit_records = c->journal_commit_records,
        .duplicates = c->journal_duplicates,
    };
}

/* ---- starting -------------------------------------------------------------------- */

/* The journal, or a sink's queue, has room again. Any thread. */
static void room(void *ctx)
{
    struct fr_daemon *d = ctx;
    struct fr_ingest *ingest = atomic_load(&d->ingest);

    if (ingest != NULL)
        fr_ingest_room(ingest);
    pthread_mutex_lock(&d->sources_lock);
    for (size_t i = 0; i < FR_SOURCES_MAX; i++)
        if (d->sources[i] != NULL)
            fr_source_room(d->sources[i]);
    pthread_mutex_unlock(&d->sources_lock);
    fr_control_room(d->control);
}

void fr_daemon_list_sources(struct fr_daemon *d, const struct fr_setup *setup)
{
    pthread_mutex_lock(&d->sources_lock);
    for (size_t i = 0; i < FR_SOURCES_MAX; i++)
        d->sources[i] = setup != NULL && i < setup->server->source_count ? setup->sources[i] : NULL;
    pthread_mutex_unlock(&d->sources_lock);
}

static int start_journal(struct fr_daemon *d, const struct fr_server_config *c,
                         struct fr_error *error)
{
    struct fr_journal_settings settings = fr_daemon_journal_settings(c);
    struct fr_error note;

    d->journal = fr_journal_start(&settings, room, d, error);
    if (d->journal == NULL)
        return -1;
    if (fr_journal_oversize(d->journal, &note))
        fr_log(FR_LOG_WARNING, "%s", note.text);
    if (!c->values)
        return 0;
    d->values = fr_values_start(d->journal, c->values_every_ms, error);
    if (d->values == NULL)
        return -1;
    if (!fr_values_sync(d->values, SYNC_VALUES_MS))
        fr_log(FR_LOG_NOTICE, "last values are still being gathered from the journal");
    return 0;
}

int fr_daemon_register_cursors(struct fr_journal *journal, const struct fr_server_config *c,
                               struct fr_error *error)
{
    struct fr_cursor_name *names = fr_calloc(c->sink_count, sizeof *names);
    int status;

    for (size_t i = 0; i < c->sink_count; i++)
        names[i] = (struct fr_cursor_name){c->sinks[i].name, c->sinks[i].from_oldest};
    status = fr_journal_register(journal, names, c->sink_count, error);
    free(names);
    return status;
}

static int start_sinks(struct fr_daemon *d, struct fr_error *error)
{
    struct fr_setup *setup = d->setup;

    if (d->journal != NULL && fr_daemon_register_cursors(d->journal, setup->server, error) != 0)
        return -1;
    d->house = (struct fr_sink_house){d->journal, d->values, d->dead_letters, room, d};
    for (; d->started < setup->server->sink_count; d->started++)
        if (fr_sink_start(setup->sinks[d->started], setup->routing, d->started, &d->house, error) !=
            0)
            return -1;
    return 0;
}

static int start_sources(struct fr_daemon *d, struct fr_error *error)
{
    for (size_t i = 0; i < d->setup->server->source_count; i++) {
        struct fr_source *source = d->setup->sources[i];

        if (fr_source_start(source, d->journal, d->setup->routing, error) != 0)
            return -1;
    }
    fr_daemon_list_sources(d, d->setup);
    /* room() reached none of them before. */
    for (size_t i = 0; i < d->setup->server->source_count; i++)
        fr_source_room(d->setup->sources[i]);
    return 0;
}

static int start_admin(struct fr_daemon *d, const struct fr_server_config *c, const char *token,
                       struct fr_error *error)
{
    struct fr_http_admin_settings settings = {
        .address = c->admin_port != 0 ? c->admin_address : NULL,
        .port = c->admin_port,
        .token = token,
        .socket = c->admin_socket,
    };

    if (!c->admin_on)
        return 0;
    d->admin = fr_http_admin_new(d->base, &settings, fr_daemon_pages, d, error);
    return d->admin != NULL ? 0 : -1;
}

/* Who was there before a restart is gone if it does not come back; who was not is remembered. */
static bool expect(void *ctx, const struct fr_last_value *value)
{
    struct fr_daemon *d = ctx;
    Telemetry__VehicleConnectivity__VehicleConnectivity *message;

    if (value->field != FR_FIELD_PRESENCE)
        return true;
    message = telemetry__vehicle_connectivity__vehicle_connectivity__unpack(NULL, value->len,
                                                                            value->bytes);
    if (message == NULL)
        return true;
    if (message->status == TELEMETRY__VEHICLE_CONNECTIVITY__CONNECTIVITY_EVENT__CONNECTED)
        fr_ingest_expect(d->ingest, value->vin);
    else
        fr_ingest_remember(d->ingest, value->vin, value->received_ms);
    telemetry__vehicle_connectivity__vehicle_connectivity__free_unpacked(message, NULL);
    return true;
}

/* The limits of the configuration should be reached before that of the process is. The default
 * limits are more than most need, so they alone are no reason for a warning. */
static void check_descriptors(const struct fr_server_config *c)
{
    size_t needed = c->connections + c->half_open;

    fr_descriptors_raise();
    if (fr_descriptors_for_vehicles() < needed)
        fr_log(c->connections_given ? FR_LOG_WARNING : FR_LOG_INFO,
               "%zu file descriptors are too few for limits.connections and limits.half_open: %zu "
               "connections fit; raise LimitNOFILE= of the systemd unit or `ulimit -n` to %zu, or "
               "lower limits.connections",
               fr_descriptors_limit(), fr_descriptors_for_vehicles(),
               needed + fr_descriptors_limit() - fr_descriptors_for_vehicles());
}

/* What has to be done with the privileges that we came with. */
static int take_what_is_guarded(struct fr_daemon *d, char **token, struct fr_error *error)
{
    const struct fr_server_config *c = d->setup->server;
    struct fr_ingest_settings settings = fr_daemon_ingest_settings(c);

    check_descriptors(c);
    fr_topics_set_policy(c->unknown_topics);
    d->files_mark = d->setup->tls_mark;
    if (c->admin_on && c->admin_token_file != NULL &&
        (*token = fr_http_admin_token(c->admin_token_file, error)) == NULL)
        return -1;
    d->bound = fr_ingest_bind(&settings, error);
    return d->bound != NULL ? 0 : -1;
}

static int start_parts(struct fr_daemon *d, const char *token, struct fr_error *error)
{
    const struct fr_server_config *c = d->setup->server;

    d->dead_letters = fr_asprintf("%s/dead-letters", c->state);
    d->control = fr_control_new(d->base, c->control, &fr_daemon_orders, d, error);
    if (d->control == NULL || start_admin(d, c, token, error) != 0 ||
        (c->journal_on && start_journal(d, c, error) != 0) || start_sinks(d, error) != 0)
        return -1;
    d->routes = fr_routes_new(d->setup->routing, d->setup->sinks, c->sink_count, d->journal);
    if (fr_ingest_start(d->bound, d->setup->tls, d->routes, error) != 0)
        return -1;
    atomic_store(&d->ingest, d->bound);
    if (start_sources(d, error) != 0)
        return -1;
    if (d->values != NULL)
        return fr_values_each(d->values, NULL, expect, d, error);
    return 0;
}

static int start(struct fr_daemon *d, struct fr_error *error)
{
    char *token = NULL;
    int status = take_what_is_guarded(d, &token, error);

    if (status == 0)
        status = fr_daemon_confine(d, error);
    if (status == 0)
        status = start_parts(d, token, error);
    if (token != NULL)
        OPENSSL_cleanse(token, strlen(token));
    free(token);
    return status;
}

/* ---- ending ---------------------------------------------------------------------- */

static bool all_idle(const struct fr_daemon *d)
{
    for (size_t i = 0; i < d->started; i++)
        if (!fr_sink_idle(d->setup->sinks[i]))
            return false;
    return true;
}

/* Let the sinks deliver what they have, for so long at most. */
static void drain_sinks(const struct fr_daemon *d, int64_t most_ms)
{
    int64_t until;

    if (d->journal != NULL) {
        fr_journal_flush(d->journal, COMMIT_MS);
        if (most_ms > DRAIN_BESIDE_JOURNAL_MS)
            most_ms = DRAIN_BESIDE_JOURNAL_MS;
    }
    until = fr_monotonic_ms() + most_ms;
    for (size_t i = 0; i < d->started; i++)
        fr_sink_drain(d->setup->sinks[i]);
    while (!all_idle(d) && fr_monotonic_ms() < until)
        usleep(DRAIN_STEP_MS * 1000);
}

static void report_undelivered(const struct fr_daemon *d)
{
    for (size_t i = 0; i < d->started; i++) {
        struct fr_sink_status s;

        fr_sink_status(d->setup->sinks[i], &s);
        if (s.from_journal && s.behind != 0)
            fr_log(FR_LOG_NOTICE, "sink %s ends %llu records behind; they are in the journal (%s)",
                   s.name, (unsigned long long)s.behind, s.why);
        else if (!s.from_journal && s.unfinished != 0)
            fr_log(FR_LOG_WARNING, "sink %s ends with %zu records undelivered (%s)", s.name,
                   s.unfinished, s.why);
    }
}

static void stop_sources(struct fr_daemon *d)
{
    fr_daemon_list_sources(d, NULL);
    for (size_t i = 0; i < d->setup->server->source_count; i++)
        fr_source_stop(d->setup->sources[i]);
}

static void stop_vehicles(struct fr_daemon *d)
{
    stop_sources(d);
    fr_ingest_quiesce(d->ingest);
    drain_sinks(d, DRAIN_RECORDS_MS);
    fr_ingest_stop(d->ingest);
    drain_sinks(d, DRAIN_GOODBYES_MS);
    report_undelivered(d);
}

static bool all_ended(struct fr_sink *const *sinks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!fr_sink_ended(sinks[i]))
            return false;
    return true;
}

/* The sinks in force, and those that a reload has not ended yet. */
static size_t list_sinks(const struct fr_daemon *d, struct fr_sink **sinks)
{
    size_t count = 0;

    for (size_t i = 0; i < d->started; i++)
        sinks[count++] = d->setup->sinks[i];
    for (size_t i = 0; i < d->changes.count; i++)
        if (d->changes.change[i].old != NULL)
            sinks[count++] = d->changes.change[i].old;
    return count;
}

/* Returns whether no sink was cut off with something in its hands, which it may deliver twice. */
static bool stop_sinks(struct fr_daemon *d)
{
    int64_t until = fr_monotonic_ms() + END_SINKS_MS;
    struct fr_sink *sinks[3 * FR_SINKS_MAX];
    size_t count = list_sinks(d, sinks);
    size_t first = d->journal != NULL ? 0 : d->started; /* the others were drained */
    bool well = true;

    for (size_t i = first; i < count; i++)
        fr_sink_end(sinks[i]);
    while (!all_ended(sinks + first, count - first) && fr_monotonic_ms() < until)
        usleep(DRAIN_STEP_MS * 1000);
    for (size_t i = 0; i < count; i++)
        fr_sink_ask_stop(sinks[i]);
    for (size_t i = 0; i < count; i++) {
        fr_sink_stop(sinks[i]);
        well = well && fr_sink_ended_well(sinks[i]);
    }
    return well;
}

static void end(struct fr_daemon *d)
{
    bool well;

    if (d->ingest != NULL)
        stop_vehicles(d);
    well = stop_sinks(d);
    fr_values_stop(d->values);
    if (d->journal != NULL)
        fr_journal_stop(d->journal, well);
    fr_http_admin_free(d->admin);
    fr_control_free(d->control);
    if (d->bound != NULL)
        fr_ingest_free(d->bound);
    fr_routes_free(d->routes);
    for (size_t i = 0; i < d->changes.count; i++)
        fr_sink_free(d->changes.change[i].old);
    fr_buffer_free(&d->reload_report);
    fr_setup_free(d->setup);
    fr_journal_free(d->journal);
    for (size_t i = 0; i < 3; i++)
        if (d->signals[i] != NULL)
            event_free(d->signals[i]);
    if (d->files_timer != NULL)
        event_free(d->files_timer);
    if (d->heap_timer != NULL)
        event_free(d->heap_timer);
    if (d->reload_timer != NULL)
        event_free(d->reload_timer);
    if (d->watchdog != NULL)
        event_free(d->watchdog);
    event_base_free(d->base);
    free(d->dead_letters);
}

int fr_daemon_run(struct fr_setup *setup, void (*ready)(void *ctx), void *ctx,
                  struct fr_error *error)
{
    struct fr_daemon d = {
        .setup = setup, .since_ms = fr_monotonic_ms(), .sources_lock = PTHREAD_MUTEX_INITIALIZER};
    int status = -1;

    event_set_log_callback(log_libevent);
    if (evthread_use_pthreads() != 0 || (d.base = event_base_new()) == NULL)
        return fr_error_set(error, "libevent cannot be set up");
    if (catch_signals(&d, error) == 0 && start(&d, error) == 0) {
        fr_log(FR_LOG_NOTICE, "fleetrouted %s listens on %s port %u", PACKAGE_VERSION,
               setup->server->address, fr_ingest_port(d.ingest));
        ready(ctx);
        fr_systemd_notify("READY=1");
        event_base_dispatch(d.base);
        fr_systemd_notify("STOPPING=1");
        status = 0;
    }
    end(&d);
    if (status == 0)
        fr_log(FR_LOG_NOTICE, "fleetrouted ends; %llu records were acknowledged",
               (unsigned long long)fr_count_read(FR_COUNT_ACKS));
    return status;
}
