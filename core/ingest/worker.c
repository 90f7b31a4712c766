#include "ingest/worker.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ingest/admission.h"
#include "ingest/connection.h"
#include "ingest/connection_read.h"
#include "ingest/connection_write.h"
#include "ingest/connectivity.h"
#include "ingest/handshake_queue.h"
#include "ingest/inbox.h"
#include "ingest/limits.h"
#include "ingest/listener.h"
#include "ingest/tls_verify.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/memory.h"
#include "util/log.h"
#include "util/redact.h"

/* Connections of a pass at most: they may exceed the limits of the queues by what was read from
 * them, and their replies wait for the last of them. */
#define PASS_CONNECTIONS 16

/* ---- the end of a pass ----------------------------------------------------------- */

/* Backpressure: no open WebSocket is read while the journal, or a sink that acknowledgements wait
 * for, is full. */
static void worker_update_paused(struct fr_worker *worker)
{
    bool paused = fr_dispatch_full(worker->dispatch) || atomic_load(&worker->quiesce);

    if (paused == worker->paused)
        return;
    worker->paused = paused;
    if (paused)
        fr_count(FR_COUNT_VEHICLES_PAUSED);
    for (struct fr_connection *c = worker->connections; c != NULL; c = c->next)
        fr_connection_update_events(c);
}

static void worker_finish_pass(struct fr_worker *worker)
{
    struct fr_connection *connection = worker->dirty;

    worker->handled = 0;
    fr_dispatch_flush(worker->dispatch);
    worker->dirty = NULL;
    while (connection != NULL) {
        struct fr_connection *next = connection->next_dirty;

        connection->dirty = false;
        fr_connection_send_replies(connection);
        connection = next;
    }
    fr_dispatch_flush(worker->dispatch); /* DISCONNECTED records of broken connections */
    worker_update_paused(worker);
    fr_listener_update(worker);
}

/* ---- the inbox ------------------------------------------------------------------- */

/* Called by sinks on any thread. */
static void worker_records_completed(struct fr_completion *completion, struct fr_record *first,
                                     struct fr_record *last)
{
    struct fr_worker *worker = (struct fr_worker *)completion;

    fr_inbox_complete(&worker->inbox, first, last);
}

/* Reply to messages whose records the sinks have confirmed or refused. */
static void worker_reply_completed(struct fr_worker *worker)
{
    struct fr_record *record = fr_inbox_take_completed(&worker->inbox), *next;
    int64_t now_ms = record != NULL ? fr_wall_ms() : 0; /* once for all: a record costs no clock */

    for (; record != NULL; record = next) {
        struct fr_connection_id id = {record->completion_slot, record->completion_generation};
        struct fr_connection *connection = fr_limits_find(worker, id);

        next = record->ack_next;
        if (connection != NULL) {
            fr_ack_delays_add(&worker->delays, now_ms - record->received_ms);
            fr_connection_complete(connection, record);
        } else
            fr_count(FR_COUNT_ACKS_MISSED);
        fr_record_unref(record);
    }
}

static void worker_close_evicted(struct fr_worker *worker)
{
    static struct fr_log_limit limit;
    char vin[FR_REDACTED_VIN_SIZE];
    struct fr_connection_id *list;
    size_t count = fr_inbox_take_evictions(&worker->inbox, &list);

    for (size_t i = 0; i < count; i++) {
        struct fr_connection *c = fr_limits_find(worker, list[i]);

        if (c == NULL)
            continue;
        fr_count(FR_COUNT_VIN_OVER_LIMIT);
        fr_log_limited(&limit, FR_LOG_WARNING,
                       "%s (%s): closed: it was the oldest of more connections than "
                       "limits.connections_per_vin allows; check whether a second device uses this "
                       "certificate",
                       fr_display_vin(c->identity.vin, vin), c->peer);
        fr_connection_close(c, FR_WS_POLICY);
    }
    free(list);
}

/* Whether a connected vehicle would be refused if it connected now; the reason is counted. */
static bool worker_would_refuse(const struct fr_worker *worker, const struct fr_connection *c)
{
    if (!fr_routes_admit(worker->routes, c->identity.vin))
        fr_count(FR_COUNT_VIN_REFUSED);
    else if (fr_tls_revoked(worker->context, c->identity.certificate))
        fr_count(FR_COUNT_REVOKED);
    else
        return false;
    return true;
}

/* Close the connections of vehicles that are no longer listed or whose certificate is revoked. */
static void worker_close_refused(struct fr_worker *worker)
{
    struct fr_connection *next;

    for (struct fr_connection *c = worker->connections; c != NULL; c = next) {
        next = c->next;
        if (c->state == FR_CONNECTION_OPEN && worker_would_refuse(worker, c))
            fr_connection_close(c, FR_WS_POLICY);
    }
}

/* Apply new settings. Called between two passes, when nothing refers to the old ones. */
static void worker_apply_update(struct fr_worker *worker)
{
    struct fr_ingest_update *update = atomic_load(&worker->update);
    struct fr_dispatch *old = worker->dispatch;
    int64_t timeout_ms = worker->settings.peer_timeout_ms;

    if (update == NULL)
        return;
    fr_dispatch_flush(old);
    worker->settings = *update->settings;
    SSL_CTX_up_ref(update->context);
    SSL_CTX_free(worker->context);
    worker->context = update->context;
    worker->routes = update->routes;
    worker->dispatch =
        fr_dispatch_new(update->routes, worker->settings.enqueue, worker->settings.full);
    fr_dispatch_free(old);
    fr_limits_grow_slots(worker);
    worker_close_refused(worker);
    worker_finish_pass(worker);
    for (struct fr_connection *c = worker->connections; c != NULL; c = c->next) {
        if (worker->settings.peer_timeout_ms != timeout_ms)
            fr_connection_update_peer_timeout(c);
        fr_connection_update_events(c);
    }
    atomic_store(&worker->update, NULL);
    sem_post(&update->applied);
}

/* ---- libevent callbacks and the thread ------------------------------------------- */

/* libevent calls a timer that is due after the sockets that are ready in the same pass. */
static void worker_schedule_handshakes(struct fr_worker *worker)
{
    static const struct timeval now = {0, 0};

    if (!fr_handshake_queue_is_empty(worker) &&
        !event_pending(worker->handshake_event, EV_TIMEOUT, NULL)) {
        worker->handshakes.waiting_us = fr_thread_cpu_us();
        event_add(worker->handshake_event, &now);
    }
}

/* Handshakes get about as much time as the rest of the pass, which took `pass_us` of CPU time: under
 * the load of many open WebSockets a fleet must still be able to connect. */
static int64_t worker_handshake_budget_ms(int64_t pass_us)
{
    int64_t pass_ms = pass_us / 1000;

    return pass_ms < FR_HANDSHAKE_BUDGET_MS       ? FR_HANDSHAKE_BUDGET_MS
           : pass_ms > FR_HANDSHAKE_BUDGET_MAX_MS ? FR_HANDSHAKE_BUDGET_MAX_MS
                                                  : pass_ms;
}

static void worker_connection_ready(evutil_socket_t fd, short events, void *ctx)
{
    struct fr_connection *connection = ctx;
    struct fr_worker *worker = connection->worker;

    (void)fd;
    if ((events & EV_READ) && connection->state <= FR_CONNECTION_HANDSHAKE) {
        fr_handshake_queue_add(connection);
        worker_schedule_handshakes(worker);
        events &= ~EV_READ;
    }
    fr_connection_ready(connection, events); /* may free the connection */
    if (++worker->handled == PASS_CONNECTIONS)
        worker_finish_pass(worker);
    else if (worker->handled == 1)
        event_active(worker->pass_event, EV_TIMEOUT, 1);
}

/* libevent calls this after the connections that are ready now. */
static void worker_end_pass(evutil_socket_t fd, short events, void *ctx)
{
    struct fr_worker *worker = ctx;

    (void)fd, (void)events;
    if (worker->handled != 0)
        worker_finish_pass(worker);
}

static void worker_continue_handshakes(evutil_socket_t fd, short events, void *ctx)
{
    struct fr_worker *worker = ctx;

    int64_t begun = fr_monotonic_ms();
    int64_t budget_ms =
        worker_handshake_budget_ms(fr_thread_cpu_us() - worker->handshakes.waiting_us);
    struct fr_connection *c;

    (void)fd, (void)events;
    while ((c = fr_handshake_queue_take(worker)) != NULL) {
        fr_connection_ready(c, EV_READ); /* may free the connection */
        if (fr_monotonic_ms() - begun >= budget_ms)
            break;
    }
    worker_schedule_handshakes(worker);
    worker_finish_pass(worker);
}

static void worker_wakeup(evutil_socket_t fd, short events, void *ctx)
{
    struct fr_worker *worker = ctx;

    (void)fd, (void)events;
    fr_inbox_acknowledge_wake(&worker->inbox);
    worker_reply_completed(worker);
    worker_close_evicted(worker);
    worker_finish_pass(worker);
    worker_apply_update(worker);
    if (atomic_load(&worker->stop))
        event_base_loopbreak(worker->base);
}

/* The time since the last tick. When a tick is late, because the machine or a disk stalled, what the
 * peers sent meanwhile is still unread, so this time does not count as their silence. */
static int64_t worker_elapsed_ms(struct fr_worker *worker, int64_t now)
{
    int64_t elapsed_ms = now - worker->tick_ms;

    worker->tick_ms = now;
    return elapsed_ms < 2 * FR_WORKER_TICK_MS ? elapsed_ms : FR_WORKER_TICK_MS;
}

static void worker_tick(evutil_socket_t fd, short events, void *ctx)
{
    struct fr_worker *worker = ctx;
    int64_t now = fr_monotonic_ms(), elapsed_ms = worker_elapsed_ms(worker, now);
    struct fr_connection *next;

    (void)fd, (void)events;
    fr_admission_tick(worker, now, elapsed_ms);
    fr_connectivity_expire(worker, now);
    if (!worker->paused)
        fr_connectivity_restate(worker, now);
    fr_listener_trim(worker, now);
    for (struct fr_connection *c = worker->connections; c != NULL; c = next) {
        next = c->next;
        fr_connection_tick(c, now, elapsed_ms);
    }
    worker_finish_pass(worker);
}

/* Wait between two passes, for several messages in the next one; see gather.h. Work of other threads
 * ends the wait: acknowledgements are sent at once. */
static void worker_gather(struct fr_worker *worker)
{
    struct pollfd wake = {.fd = worker->inbox.wake_fd, .events = POLLIN};
    int wait_ms = fr_gather_wait_ms(&worker->gather, fr_monotonic_ms());

    if (wait_ms != 0 && fr_handshake_queue_is_empty(worker))
        poll(&wake, 1, wait_ms);
}

static void *worker_run(void *ctx)
{
    struct fr_worker *worker = ctx;

    while (event_base_loop(worker->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY) == 0 &&
           !event_base_got_break(worker->base))
        worker_gather(worker);
    while (worker->connections != NULL) {
        struct fr_connection *c = worker->connections;

        if (c->state == FR_CONNECTION_OPEN)
            fr_connection_close(c, FR_WS_GOING_AWAY);
        fr_connection_free(c);
    }
    fr_dispatch_flush(worker->dispatch);
    return NULL;
}

/* ---- starting and stopping ------------------------------------------------------- */

void fr_worker_init(struct fr_worker *worker, struct fr_ingest *ingest)
{
    worker->completion.completed = worker_records_completed;
    worker->connection_ready = worker_connection_ready;
    worker->ingest = ingest;
    worker->listener = -1;
    fr_inbox_init(&worker->inbox);
}

static int worker_add_events(struct fr_worker *worker, struct fr_error *error)
{
    struct timeval interval = {0, FR_WORKER_TICK_MS * 1000};

    worker->accept_event =
        event_new(worker->base, worker->listener, EV_READ | EV_PERSIST, fr_listener_ready, worker);
    worker->wake_event =
        event_new(worker->base, worker->inbox.wake_fd, EV_READ | EV_PERSIST, worker_wakeup, worker);
    worker->tick_event = event_new(worker->base, -1, EV_PERSIST, worker_tick, worker);
    worker->handshake_event = event_new(worker->base, -1, 0, worker_continue_handshakes, worker);
    worker->pass_event = event_new(worker->base, -1, 0, worker_end_pass, worker);
    if (worker->handshake_event == NULL || worker->pass_event == NULL ||
        worker->accept_event == NULL || worker->wake_event == NULL || worker->tick_event == NULL ||
        event_add(worker->accept_event, NULL) != 0 || event_add(worker->wake_event, NULL) != 0 ||
        event_add(worker->tick_event, &interval) != 0)
        return fr_error_set(error, "cannot set up the events of an ingest worker");
    worker->accepting = true;
    return 0;
}

int fr_worker_prepare(struct fr_worker *worker, struct fr_error *error)
{
    struct fr_ingest *ingest = worker->ingest;

    if (fr_listener_listen(worker, error) != 0)
        return -1;
    worker->base = event_base_new();
    if (fr_inbox_open(&worker->inbox) != 0 || worker->base == NULL)
        return fr_error_set(error, "cannot create an event base: %s", strerror(errno));
    worker->settings = ingest->settings;
    worker->routes = ingest->routes;
    SSL_CTX_up_ref(ingest->context);
    worker->context = ingest->context;
    worker->dispatch =
        fr_dispatch_new(worker->routes, worker->settings.enqueue, worker->settings.full);
    fr_limits_grow_slots(worker);
    worker->in = fr_calloc(1, FR_WORKER_READ_SIZE + FR_WORKER_FIRST_RECORD + 9);
    worker->plain = fr_calloc(1, FR_WORKER_PLAIN_SIZE);
    worker->ws_pool = fr_ws_pool_new();
    if (worker->ws_pool == NULL)
        return fr_error_set(error, "out of memory for an ingest worker");
    return worker_add_events(worker, error);
}

int fr_worker_start(struct fr_worker *worker)
{
    int code = pthread_create(&worker->thread, NULL, worker_run, worker);

    worker->started = code == 0;
    return code;
}

void fr_worker_stop(struct fr_worker *worker)
{
    atomic_store(&worker->stop, true);
    if (!worker->started)
        return;
    fr_inbox_wake_again(&worker->inbox);
    pthread_join(worker->thread, NULL);
    worker->started = false;
}

static void worker_free_event(struct event *event)
{
    if (event != NULL)
        event_free(event);
}

void fr_worker_dispose(struct fr_worker *worker)
{
    /* Drop references to records completed after the last loop iteration. */
    worker_reply_completed(worker);
    if (worker->dispatch != NULL)
        fr_dispatch_free(worker->dispatch);
    SSL_CTX_free(worker->context);
    worker_free_event(worker->accept_event);
    worker_free_event(worker->wake_event);
    worker_free_event(worker->tick_event);
    worker_free_event(worker->handshake_event);
    worker_free_event(worker->pass_event);
    if (worker->base != NULL)
        event_base_free(worker->base);
    if (worker->listener >= 0)
        close(worker->listener);
    fr_ws_pool_free(worker->ws_pool);
    fr_half_open_free(&worker->half_open);
    fr_half_open_free(&worker->without_certificate);
    fr_buffer_free(&worker->out);
    fr_buffer_free(&worker->scratch);
    free(worker->slots);
    free(worker->free_slots);
    free(worker->in);
    free(worker->plain);
    fr_inbox_close(&worker->inbox);
}
