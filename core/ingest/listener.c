/* The listening socket of a worker: what is accepted, and when accepting pauses. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ingest/worker.h"
#include "util/address.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/descriptors.h"
#include "util/log.h"

#define ACCEPTS_A_PASS 64

/* The worker's part of a limit that holds over all workers. The kernel spreads connections over
 * the workers by a hash of their addresses and ports. */
static size_t listener_share(const struct fr_worker *worker, size_t limit)
{
    unsigned workers = worker->ingest->worker_count;

    return (limit + workers - 1) / workers;
}

bool fr_listener_full(const struct fr_worker *worker)
{
    return worker->half_open.count >= listener_share(worker, worker->settings.half_open);
}

static void listener_describe_peer(const struct sockaddr_storage *address, socklen_t len,
                                   char *peer, size_t size)
{
    char host[46], port[8];

    if (getnameinfo((const struct sockaddr *)address, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(peer, size, "a peer without an address");
    else
        snprintf(peer, size, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

static void listener_refuse(int fd, const char *peer)
{
    static struct fr_log_limit limit;

    fr_count(FR_COUNT_CONNECTIONS_REFUSED);
    fr_log_limited(&limit, FR_LOG_WARNING,
                   "%s refused: as many vehicles are connected as limits.connections allows; raise "
                   "it if they are all yours",
                   peer);
    close(fd);
}

/* Whether no descriptor is left for one more connection. */
static bool listener_out_of_sockets(const struct fr_worker *worker)
{
    struct fr_ingest *ingest = worker->ingest;

    return atomic_load(&ingest->connections) + atomic_load(&ingest->half_open) >=
           worker->settings.sockets;
}

/* New connections wait in the kernel's queue meanwhile. */
static void listener_out_of_descriptors(struct fr_worker *worker)
{
    static struct fr_log_limit limit;
    int64_t now = fr_monotonic_ms();

    if (now - atomic_exchange(&worker->ingest->out_of_descriptors_ms, now) > FR_WORKER_PAUSE_MS)
        fr_count(FR_COUNT_OUT_OF_DESCRIPTORS);
    fr_log_limited(&limit, FR_LOG_ERROR,
                   "new connections wait: all file descriptors for vehicles are in use (%zu of %zu "
                   "that the process may have); raise LimitNOFILE= of the systemd unit or "
                   "`ulimit -n`, or lower limits.connections",
                   atomic_load(&worker->ingest->connections) +
                       atomic_load(&worker->ingest->half_open),
                   fr_descriptors_limit());
}

/* The oldest half-open connection gives way to a new one. */
static void listener_make_room(struct fr_worker *worker, int64_t now_ms)
{
    static struct fr_log_limit limit;
    struct fr_connection *victim;

    if (!fr_listener_full(worker) && !listener_out_of_sockets(worker))
        return;
    victim = fr_half_open_victim(&worker->half_open, now_ms);
    if (victim == NULL)
        return;
    fr_count(FR_COUNT_HALF_OPEN_CLOSED);
    fr_log_limited(&limit, FR_LOG_WARNING,
                   "%s closed before its WebSocket was open: it was the oldest of as many as "
                   "limits.half_open or the file descriptors allow; peers that say nothing are "
                   "scanners or an attack",
                   victim->peer);
    fr_connection_free(victim);
}

/* Whether the source may have one more half-open connection. Its oldest one gives way. */
static bool listener_source_may(struct fr_worker *worker, uint64_t source, const char *peer,
                                int64_t now_ms)
{
    static struct fr_log_limit limit;
    size_t most = worker->settings.half_open_per_source;
    struct fr_half_open_entry oldest;

    if (most == 0 ||
        fr_half_open_of_source(&worker->half_open, source, &oldest) < listener_share(worker, most))
        return true;
    fr_count(FR_COUNT_SOURCE_OVER_LIMIT);
    fr_log_limited(&limit, FR_LOG_WARNING,
                   "%s: its address has limits.half_open_per_source connections without an open "
                   "WebSocket; the oldest is closed, or the new one refused while that is younger "
                   "than a second (behind a load balancer set it to 0)",
                   peer);
    if (now_ms - oldest.since_ms < FR_HALF_OPEN_MIN_AGE_MS)
        return false;
    fr_connection_free(oldest.connection);
    return true;
}

static void listener_set(struct fr_worker *worker, bool on)
{
    if (on == worker->accepting)
        return;
    worker->accepting = on;
    if (on)
        event_add(worker->accept_event, NULL);
    else
        event_del(worker->accept_event);
}

/* Whether one more connection can be taken, an older one closed for it included. */
static bool listener_has_room(struct fr_worker *worker)
{
    if (!fr_listener_full(worker) && !listener_out_of_sockets(worker))
        return true;
    return fr_half_open_victim(&worker->half_open, fr_monotonic_ms()) != NULL;
}

void fr_listener_update(struct fr_worker *worker)
{
    bool on = !atomic_load(&worker->quiesce);

    if (on && worker->accept_after_ms != 0) {
        on = fr_monotonic_ms() >= worker->accept_after_ms;
        if (on)
            worker->accept_after_ms = 0;
    }
    listener_set(worker, on && listener_has_room(worker));
}

static void listener_accepted(struct fr_worker *worker, int fd,
                              const struct sockaddr_storage *address, socklen_t len)
{
    uint64_t source = fr_address_source(address);
    int64_t now = fr_monotonic_ms();
    char peer[56];

    listener_describe_peer(address, len, peer, sizeof peer);
    fr_count(FR_COUNT_CONNECTIONS);
    if (atomic_load(&worker->ingest->connections) >= worker->settings.connections) {
        listener_refuse(fd, peer);
        return;
    }
    if (!listener_source_may(worker, source, peer, now)) {
        close(fd);
        return;
    }
    listener_make_room(worker, now);
    fr_connection_open(worker, fd, peer, source);
}

/* accept(2) failed. The socket stays readable, so the worker would spin without a pause. */
static void listener_failed(struct fr_worker *worker, int problem)
{
    static struct fr_log_limit limit;

    if (problem == EAGAIN || problem == EINTR || problem == ECONNABORTED)
        return;
    if (problem == EMFILE || problem == ENFILE)
        listener_out_of_descriptors(worker);
    else
        fr_log_limited(&limit, FR_LOG_ERROR, "cannot accept a connection: %s", strerror(problem));
    worker->accept_after_ms = fr_monotonic_ms() + FR_WORKER_PAUSE_MS;
    fr_listener_update(worker);
}

void fr_listener_ready(evutil_socket_t listener, short what, void *ctx)
{
    struct fr_worker *worker = ctx;

    (void)what;
    for (int i = 0; i < ACCEPTS_A_PASS; i++) {
        struct sockaddr_storage address;
        socklen_t len = sizeof address;
        int fd;

        fr_listener_update(worker);
        if (!worker->accepting) {
            if (listener_out_of_sockets(worker))
                listener_out_of_descriptors(worker);
            return;
        }
        fd = accept4(listener, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            listener_failed(worker, errno);
            return;
        }
        listener_accepted(worker, fd, &address, len);
    }
}
