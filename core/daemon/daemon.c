#include "daemon/daemon.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <signal.h>

#include "daemon/admin_certificate.h"
#include "daemon/certificates.h"
#include "daemon/daemon_state.h"
#include "daemon/reload.h"
#include "daemon/start.h"
#include "daemon/stop.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/heap.h"
#include "util/log.h"
#include "util/plural.h"
#include "util/systemd.h"

#define FILES_INTERVAL_MS 5000 /* between checks of the TLS files */

/* Rate-limited, because some messages of libevent repeat until their cause ends. */
static void daemon_log_libevent(int severity, const char *message)
{
    static struct fr_log_limit limit;

    if (severity >= EVENT_LOG_WARN)
        fr_log_limited(&limit, FR_LOG_WARNING, "libevent: %s", message);
}

/* ---- events of the main loop ----------------------------------------------------- */

static void daemon_on_stop_signal(evutil_socket_t number, short what, void *ctx)
{
    struct fr_daemon *d = ctx;

    (void)what;
    fr_log(FR_LOG_NOTICE, "signal %d received: draining", (int)number);
    event_base_loopbreak(d->base);
}

static void daemon_on_reload_signal(evutil_socket_t number, short what, void *ctx)
{
    (void)number, (void)what;
    fr_daemon_request_reload(ctx);
}

static void daemon_on_files_timer(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    fr_daemon_refresh_certificates(ctx);
    fr_daemon_refresh_public_key(ctx);
    fr_daemon_refresh_admin_certificate(ctx);
    fr_daemon_check_certificate(ctx);
}

static void daemon_on_heap_timer(evutil_socket_t fd, short what, void *ctx)
{
    const struct fr_daemon *d = ctx;
    uint64_t work = fr_count_read(FR_COUNT_RECORDS);

    (void)fd, (void)what;
    for (size_t i = 0; i < d->sink_count; i++) {
        struct fr_sink_status s;

        fr_sink_status(d->setup->sinks[i], &s);
        work += s.delivered;
    }
    fr_heap_trim(work, fr_ingest_connections(d->bound) + fr_ingest_half_open(d->bound));
}

/* Without the notification systemd restarts the daemon. The notification stops when only a restart
 * can make the journal writable; the check at the start then reports the remedy. */
static void daemon_on_watchdog_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_daemon *d = ctx;

    (void)fd, (void)what;
    if (d->journal == NULL || !fr_journal_unrecoverable(d->journal))
        fr_systemd_notify("WATCHDOG=1");
}

static int daemon_add_timer(struct fr_daemon *d, struct event **timer, event_callback_fn callback,
                            int64_t interval_ms, struct fr_error *error)
{
    struct timeval interval = fr_timeval(interval_ms);

    *timer = event_new(d->base, -1, EV_PERSIST, callback, d);
    if (*timer == NULL || event_add(*timer, &interval) != 0)
        return fr_error_set(error, "cannot create a timer");
    return 0;
}

static int daemon_add_signals(struct fr_daemon *d, struct fr_error *error)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};

    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < 3; i++) {
        d->signals[i] =
            evsignal_new(d->base, numbers[i],
                         numbers[i] == SIGHUP ? daemon_on_reload_signal : daemon_on_stop_signal, d);
        if (d->signals[i] == NULL || event_add(d->signals[i], NULL) != 0)
            return fr_error_set(error, "cannot catch signal %d", numbers[i]);
    }
    return 0;
}

static int daemon_add_events(struct fr_daemon *d, struct fr_error *error)
{
    int64_t watchdog_ms = fr_systemd_watchdog_ms();

    if (daemon_add_signals(d, error) != 0 || fr_daemon_init_reload(d, error) != 0 ||
        daemon_add_timer(d, &d->files_timer, daemon_on_files_timer, FILES_INTERVAL_MS, error) !=
            0 ||
        daemon_add_timer(d, &d->heap_timer, daemon_on_heap_timer, FR_HEAP_EVERY_MS, error) != 0)
        return -1;
    if (watchdog_ms == 0)
        return 0;
    return daemon_add_timer(d, &d->watchdog_timer, daemon_on_watchdog_timer, watchdog_ms, error);
}

/* ---- the daemon ------------------------------------------------------------------ */

int fr_daemon_run(struct fr_setup *setup, void (*ready)(void *ctx), void *ctx,
                  struct fr_error *error)
{
    struct fr_daemon d = {
        .setup = setup, .start_ms = fr_monotonic_ms(), .sources_lock = PTHREAD_MUTEX_INITIALIZER};
    int status = -1;

    event_set_log_callback(daemon_log_libevent);
    if (evthread_use_pthreads() != 0 || (d.base = event_base_new()) == NULL) {
        fr_setup_free(setup);
        return fr_error_set(error, "cannot create the event loop");
    }
    d.upkeep = fr_upkeep_new();
    if (daemon_add_events(&d, error) == 0 && fr_daemon_start(&d, error) == 0) {
        fr_log(FR_LOG_NOTICE, "fleetrouted %s listens on %s port %u", PACKAGE_VERSION,
               setup->server->address, fr_ingest_port(d.ingest));
        fr_daemon_check_certificate(&d);
        ready(ctx);
        fr_systemd_notify("READY=1");
        event_base_dispatch(d.base);
        fr_systemd_notify("STOPPING=1");
        status = 0;
    }
    fr_daemon_stop(&d);
    if (status == 0)
        fr_log(FR_LOG_NOTICE, "fleetrouted stops: %llu record%s acknowledged",
               (unsigned long long)fr_count_read(FR_COUNT_ACKS),
               fr_plural(fr_count_read(FR_COUNT_ACKS)));
    return status;
}
