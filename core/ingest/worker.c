#include "ingest/worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ingest/tls_verify.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/memory.h"
#include "util/redact.h"

#define TICK_MS 500
#define BACKLOG 1024 /* connections that wait to be accepted */

/* ---- what other threads do to a worker ------------------------------------------- */

static void wake(struct fr_worker *worker)
{
    uint64_t one = 1;

    if (!atomic_exchange(&worker->woken, true) && write(worker->wake, &one, sizeof one) < 0)
        fr_log(FR_LOG_ERROR, "cannot wake an ingest worker: %s", strerror(errno));
}

static void settled(struct fr_ack_owner *owner, struct fr_record *first, struct fr_record *last)
{
    struct fr_worker *worker = (struct fr_worker *)owner;

    pthread_mutex_lock(&worker->lock);
    if (worker->settled_first == NULL)
        worker->settled_first = first;
    else
        worker->settled_last->ack_next = first;
    worker->settled_last = last;
    pthread_mutex_unlock(&worker->lock);
    wake(worker);
}

void fr_ingest_room(struct fr_ingest *ingest)
{
    for (unsigned i = 0; i < ingest->worker_count; i++)
        wake(&ingest->workers[i]);
}

/* ---- the worker's thread --------------------------------------------------------- */

static void tell_vehicles(struct fr_worker *worker)
{
    struct fr_record *record, *next;

    pthread_mutex_lock(&worker->lock);
    record = worker->settled_first;
    worker->settled_first = worker->settled_last = NULL;
    pthread_mutex_unlock(&worker->lock);
    for (; record != NULL; record = next) {
        struct fr_connection *connection = worker->slots[record->owner_slot];

        next = record->ack_next;
        if (connection != NULL && connection->generation == record->owner_generation &&
            connection->state == FR_CONNECTION_OPEN)
            fr_message_settled(connection, record);
        else
            fr_count(FR_COUNT_ACKS_MISSED);
        fr_record_unref(record);
    }
}

void fr_worker_evict(struct fr_worker *worker, uint32_t slot, uint32_t generation)
{
    pthread_mutex_lock(&worker->lock);
    if (worker->eviction_count == worker->eviction_room) {
        worker->eviction_room = worker->eviction_room * 2 + 16;
        worker->evictions =
            fr_realloc(worker->evictions, worker->eviction_room, sizeof *worker->evictions);
    }
    worker->evictions[worker->eviction_count++] = (struct fr_worker_eviction){slot, generation};
    pthread_mutex_unlock(&worker->lock);
    wake(worker);
}

static void evict(struct fr_worker *worker)
{
    static struct fr_log_limit limit;
    char shown[FR_REDACTED_VIN_SIZE];
    struct fr_worker_eviction *list;
    size_t count;

    pthread_mutex_lock(&worker->lock);
    list = worker->evictions;
    count = worker->eviction_count;
    worker->evictions = NULL;
    worker->eviction_count = worker->eviction_room = 0;
    pthread_mutex_unlock(&worker->lock);
    for (size_t i = 0; i < count; i++) {
        struct fr_connection *c = worker->slots[list[i].slot];

        if (c == NULL || c->generation != list[i].generation || c->state != FR_CONNECTION_OPEN)
            continue;
        fr_count(FR_COUNT_VIN_OVER_LIMIT);
        fr_log_limited(&limit, FR_LOG_WARNING,
                       "%s (%s): closed, the oldest of more connections than "
                       "limits.connections_per_vin allows; a second device with its certificate?",
                       fr_shown_vin(c->who.vin, shown), c->peer);
        fr_connection_close(c, FR_WS_POLICY);
    }
    free(list);
}

/* Hold all vehicles back while what acknowledgements wait for is full. */
static void update_holding(struct fr_worker *worker)
{
    bool hold = fr_dispatch_full(worker->dispatch) || atomic_load(&worker->quiesce);

    if (hold == worker->held)
        return;
    worker->held = hold;
    if (hold)
        fr_count(FR_COUNT_HELD_BACK);
    for (struct fr_connection *c = worker->connections; c != NULL; c = c->next)
        fr_connection_update_reading(c);
}

void fr_worker_finish_pass(struct fr_worker *worker)
{
    struct fr_connection *connection = worker->dirty;

    fr_dispatch_flush(worker->dispatch);
    worker->dirty = NULL;
    while (connection != NULL) {
        struct fr_connection *next = connection->next_dirty;

        connection->dirty = false;
        fr_connection_send_replies(connection);
        connection = next;
    }
    fr_dispatch_flush(worker->dispatch); /* a connection that broke left its last record */
    update_holding(worker);
    fr_listener_update(worker);
}

static void grow_slots(struct fr_worker *worker, size_t count)
{
    if (count <= worker->slot_count)
        return;
    worker->slots = fr_realloc(worker->slots, count, sizeof(struct fr_connection *));
    worker->free_slots = fr_realloc(worker->free_slots, count, sizeof *worker->free_slots);
    for (size_t i = worker->slot_count; i < count; i++) {
        worker->slots[i] = NULL;
        worker->free_slots[worker->free_count++] = (uint32_t)i;
    }
    worker->slot_count = count;
}

/* Whether a vehicle that is connected would be refused now. */
static bool is_unwelcome(const struct fr_worker *worker, const struct fr_connection *c)
{
    if (!fr_routes_admit(worker->routes, c->who.vin))
        fr_count(FR_COUNT_VIN_REFUSED);
    else if (fr_tls_revoked(worker->context, SSL_get0_peer_certificate(c->tls.ssl)))
        fr_count(FR_COUNT_REVOKED);
    else
        return false;
    return true;
}

/* Vehicles that are no longer on the list, or whose certificate is revoked, have to leave. */
static void dismiss_unwelcome(struct fr_worker *worker)
{
    struct fr_connection *next;

    for (struct fr_connection *c = worker->connections; c != NULL; c = next) {
        next = c->next;
        if (c->state == FR_CONNECTION_OPEN && is_unwelcome(worker, c))
            fr_connection_close(c, FR_WS_POLICY);
    }
}

/* Between two passes: nothing refers to what is replaced. */
static void follow_update(struct fr_worker *worker)
{
    const struct fr_ingest_update *update = atomic_load(&worker->update);
    struct fr_dispatch *older = worker->dispatch;

    if (update == NULL)
        return;
    fr_dispatch_flush(older);
    worker->settings = *update->settings;
    SSL_CTX_up_ref(update->context);
    SSL_CTX_free(worker->context);
    worker->context = update->context;
    worker->routes = update->routes;
    worker->dispatch = fr_dispatch_new(update->routes);
    fr_dispatch_free(older);
    grow_slots(worker, worker->settings.connections);
    dismiss_unwelcome(worker);
    fr_worker_finish_pass(worker);
    for (struct fr_connection *c = worker->connections; c != NULL; c = c->next)
        fr_connection_update_reading(c);
    atomic_store(&worker->update, NULL);
    sem_post((sem_t *)(uintptr_t)&update->followed);
}

static void woken(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_worker *worker = ctx;
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        fr_log(FR_LOG_ERROR, "an ingest worker's eventfd: %s", strerror(errno));
    atomic_store(&worker->woken, false);
    tell_vehicles(worker);
    evict(worker);
    fr_worker_finish_pass(worker);
    follow_update(worker);
    if (atomic_load(&worker->stop))
        event_base_loopbreak(worker->base);
}

static void tick(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_worker *worker = ctx;
    int64_t now = fr_monotonic_ms();
    struct fr_connection *next;

    (void)fd, (void)what;
    fr_message_gone(worker, now);
    for (struct fr_connection *c = worker->connections; c != NULL; c = next) {
        next = c->next;
        fr_connection_tick(c, now);
    }
    fr_worker_finish_pass(worker);
}

static void *run(void *ctx)
{
    struct fr_worker *worker = ctx;

    event_base_loop(worker->base, EVLOOP_NO_EXIT_ON_EMPTY);
    while (worker->connections != NULL) {
        if (worker->connections->state == FR_CONNECTION_OPEN)
            fr_connection_close(worker->connections, FR_WS_GOING_AWAY);
        if (worker->connections != NULL)
            fr_connection_free(worker->connections);
    }
    fr_dispatch_flush(worker->dispatch);
    return NULL;
}

/* ---- starting and stopping ------------------------------------------------------- */

static int bind_one(const struct addrinfo *info, struct fr_error *error, const char *address)
{
    int on = 1, fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return fr_error_set(error, "cannot make a socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &on, sizeof on);
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0) {
        fr_error_set(error, "cannot listen on %s: %s%s", address, strerror(errno),
                     errno == EACCES ? " (a port below 1024 needs CAP_NET_BIND_SERVICE)" : "");
        close(fd);
        return -1;
    }
    return fd;
}

static int bind_to(const char *address, uint16_t port, struct fr_error *error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICHOST};
    struct addrinfo *info;
    char service[8], where[96];
    int status, fd;

    snprintf(service, sizeof service, "%u", port);
    snprintf(where, sizeof where, "%s port %u", address, port);
    status = getaddrinfo(address, service, &hints, &info);
    if (status != 0)
        return fr_error_set(error, "listen.address \"%s\" is no IP address: %s", address,
                            gai_strerror(status));
    fd = bind_one(info, error, where);
    freeaddrinfo(info);
    return fd;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

static int prepare(struct fr_worker *worker, struct fr_ingest *ingest, struct fr_error *error)
{
    struct timeval interval = {0, TICK_MS * 1000};

    if (listen(worker->listener, BACKLOG) != 0)
        return fr_error_set(error, "cannot listen on %s port %u: %s", ingest->settings.address,
                            ingest->port, strerror(errno));
    worker->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    worker->base = event_base_new();
    if (worker->wake < 0 || worker->base == NULL)
        return fr_error_set(error, "cannot make an event base: %s", strerror(errno));
    worker->slot_count = ingest->settings.connections;
    worker->slots = fr_calloc(worker->slot_count, sizeof(struct fr_connection *));
    worker->free_slots = fr_calloc(worker->slot_count, sizeof *worker->free_slots);
    while (worker->free_count < worker->slot_count) {
        worker->free_slots[worker->free_count] =
            (uint32_t)(worker->slot_count - 1 - worker->free_count);
        worker->free_count++;
    }
    worker->in = fr_calloc(1, FR_WORKER_READ_SIZE + FR_WORKER_FIRST_RECORD + 9);
    worker->plain = fr_calloc(1, FR_WORKER_PLAIN_SIZE);
    worker->ws_pool = fr_ws_pool_new();
    worker->settings = ingest->settings;
    worker->routes = ingest->routes;
    SSL_CTX_up_ref(ingest->context);
    worker->context = ingest->context;
    worker->dispatch = fr_dispatch_new(worker->routes);
    worker->accept_event =
        event_new(worker->base, worker->listener, EV_READ | EV_PERSIST, fr_listener_ready, worker);
    worker->wake_event = event_new(worker->base, worker->wake, EV_READ | EV_PERSIST, woken, worker);
    worker->tick_event = event_new(worker->base, -1, EV_PERSIST, tick, worker);
    if (worker->ws_pool == NULL || worker->accept_event == NULL || worker->wake_event == NULL ||
        worker->tick_event == NULL || event_add(worker->accept_event, NULL) != 0 ||
        event_add(worker->wake_event, NULL) != 0 || event_add(worker->tick_event, &interval) != 0)
        return fr_error_set(error, "cannot set up an ingest worker's events");
    worker->accepting = true;
    return 0;
}

static void free_event(struct event *event)
{
    if (event != NULL)
        event_free(event);
}

static void dispose(struct fr_worker *worker)
{
    tell_vehicles(worker); /* nobody is left to tell; lets go of the records */
    if (worker->dispatch != NULL)
        fr_dispatch_free(worker->dispatch);
    SSL_CTX_free(worker->context);
    free_event(worker->accept_event);
    free_event(worker->wake_event);
    free_event(worker->tick_event);
    if (worker->base != NULL)
        event_base_free(worker->base);
    if (worker->listener >= 0)
        close(worker->listener);
    if (worker->wake >= 0)
        close(worker->wake);
    fr_ws_pool_free(worker->ws_pool);
    fr_half_open_free(&worker->half_open);
    fr_buffer_free(&worker->out);
    fr_buffer_free(&worker->scratch);
    free(worker->evictions);
    free(worker->slots);
    free(worker->free_slots);
    free(worker->in);
    free(worker->plain);
    pthread_mutex_destroy(&worker->lock);
}

struct fr_ingest *fr_ingest_bind(const struct fr_ingest_settings *settings, struct fr_error *error)
{
    struct fr_ingest *ingest = fr_calloc(1, sizeof *ingest);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = settings->workers != 0 ? settings->workers : cores > 0 ? (unsigned)cores : 1;

    ingest->settings = *settings;
    ingest->presence = fr_presence_new(settings->presence_grace_ms);
    ingest->sources = fr_source_counts_new();
    ingest->port = settings->port;
    ingest->workers = fr_calloc(count, sizeof *ingest->workers);
    while (ingest->worker_count < count) {
        struct fr_worker *worker = &ingest->workers[ingest->worker_count++];

        worker->owner.settled = settled;
        worker->ingest = ingest;
        worker->wake = -1;
        pthread_mutex_init(&worker->lock, NULL);
        worker->listener = bind_to(settings->address, ingest->port, error);
        if (worker->listener < 0) {
            fr_ingest_free(ingest);
            return NULL;
        }
        ingest->port = port_of(worker->listener);
    }
    return ingest;
}

int fr_ingest_start(struct fr_ingest *ingest, SSL_CTX *context, struct fr_routes *routes,
                    struct fr_error *error)
{
    ingest->context = context;
    ingest->routes = routes;
    for (unsigned i = 0; i < ingest->worker_count; i++)
        if (prepare(&ingest->workers[i], ingest, error) != 0)
            return -1;
    for (unsigned i = 0; i < ingest->worker_count; i++) {
        struct fr_worker *worker = &ingest->workers[i];
        int code = pthread_create(&worker->thread, NULL, run, worker);

        if (code != 0)
            return fr_error_set(error,
                                "cannot start ingest thread %u of %u: %s; raise TasksMax= of the "
                                "systemd unit or `ulimit -u`, or lower listen.workers",
                                i + 1, ingest->worker_count, strerror(code));
        worker->started = true;
    }
    return 0;
}

void fr_ingest_update(struct fr_ingest *ingest, const struct fr_ingest_settings *settings,
                      SSL_CTX *context, struct fr_routes *routes)
{
    struct fr_ingest_update update = {.settings = settings, .context = context, .routes = routes};

    fr_presence_set_grace(ingest->presence, settings->presence_grace_ms);
    sem_init(&update.followed, 0, 0);
    for (unsigned i = 0; i < ingest->worker_count; i++) {
        atomic_store(&ingest->workers[i].update, &update);
        atomic_store(&ingest->workers[i].woken, false); /* wake it for certain */
        wake(&ingest->workers[i]);
    }
    for (unsigned i = 0; i < ingest->worker_count; i++)
        while (sem_wait(&update.followed) != 0)
            ; /* a signal came */
    sem_destroy(&update.followed);
}

void fr_ingest_expect(struct fr_ingest *ingest, const char *vin)
{
    fr_presence_expect(ingest->presence, vin, fr_monotonic_ms());
}

uint16_t fr_ingest_port(const struct fr_ingest *ingest)
{
    return ingest->port;
}

void fr_ingest_remember(struct fr_ingest *ingest, const char *vin, int64_t wall_ms)
{
    fr_presence_remember(ingest->presence, vin, wall_ms);
}

struct fr_presence *fr_ingest_presence(struct fr_ingest *ingest)
{
    return ingest->presence;
}

size_t fr_ingest_connections(const struct fr_ingest *ingest)
{
    return atomic_load(&ingest->connections);
}

size_t fr_ingest_half_open(const struct fr_ingest *ingest)
{
    return atomic_load(&ingest->half_open);
}

bool fr_ingest_out_of_descriptors(const struct fr_ingest *ingest)
{
    int64_t seen = atomic_load(&ingest->out_of_descriptors_ms);

    return seen != 0 && fr_monotonic_ms() - seen < 2 * TICK_MS + FR_WORKER_PAUSE_MS;
}

void fr_ingest_quiesce(struct fr_ingest *ingest)
{
    for (unsigned i = 0; i < ingest->worker_count; i++) {
        atomic_store(&ingest->workers[i].quiesce, true);
        wake(&ingest->workers[i]);
    }
}

void fr_ingest_stop(struct fr_ingest *ingest)
{
    for (unsigned i = 0; i < ingest->worker_count; i++) {
        atomic_store(&ingest->workers[i].stop, true);
        if (ingest->workers[i].started) {
            atomic_store(&ingest->workers[i].woken, false);
            wake(&ingest->workers[i]);
            pthread_join(ingest->workers[i].thread, NULL);
            ingest->workers[i].started = false;
        }
    }
}

void fr_ingest_free(struct fr_ingest *ingest)
{
    fr_ingest_stop(ingest);
    for (unsigned i = 0; i < ingest->worker_count; i++)
        dispose(&ingest->workers[i]);
    fr_presence_free(ingest->presence);
    fr_source_counts_free(ingest->sources);
    free(ingest->workers);
    free(ingest);
}
