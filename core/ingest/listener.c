#include "ingest/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ingest/connection.h"
#include "ingest/limits.h"
#include "util/address.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/descriptors.h"
#include "util/log.h"
#include "util/network.h"

#define ACCEPTS_PER_PASS 64
#define SEARCH_PAUSE_MS 10 /* after a search for a connection to close that found none */

/* ---- the socket ------------------------------------------------------------------ */

static int listener_bind_to(const struct addrinfo *info, const char *name, struct fr_error *error)
{
    int on = 1, fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return fr_error_set(error, "cannot create a socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &on, sizeof on);
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0) {
        fr_error_set(error, "cannot listen on %s: %s%s", name, strerror(errno),
                     errno == EACCES ? " (a port below 1024 needs CAP_NET_BIND_SERVICE)" : "");
        close(fd);
        return -1;
    }
    return fd;
}

int fr_listener_bind(const char *address, uint16_t port, struct fr_error *error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICHOST};
    struct addrinfo *info;
    char service[8], name[96];
    int status, fd;

    snprintf(service, sizeof service, "%u", port);
    snprintf(name, sizeof name, "%s port %u", address, port);
    status = getaddrinfo(address, service, &hints, &info);
    if (status != 0)
        return fr_error_set(error, "listen.address \"%s\" is not an IP address: %s", address,
                            gai_strerror(status));
    fd = listener_bind_to(info, name, error);
    freeaddrinfo(info);
    return fd;
}

uint16_t fr_listener_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

/* The kernel limits the queue of a listening socket to net.core.somaxconn, without an error. It returns
 * the result in tcpi_sacked (net/ipv4/tcp.c, tcp_get_info). */
static void listener_check_backlog(const struct fr_worker *worker)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;

    if (worker != &worker->ingest->workers[0] ||
        getsockopt(worker->listener, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
        info.tcpi_sacked == 0 || info.tcpi_sacked >= FR_LISTENER_BACKLOG)
        return;
    fr_log(FR_LOG_INFO,
           "the kernel keeps at most %u new connections for each worker and drops further ones, "
           "which then try again later: for more vehicles that connect at once set the sysctl "
           "net.core.somaxconn to %d",
           info.tcpi_sacked, FR_LISTENER_BACKLOG);
}

int fr_listener_listen(const struct fr_worker *worker, struct fr_error *error)
{
    if (listen(worker->listener, FR_LISTENER_BACKLOG) != 0)
        return fr_error_set(error, "cannot listen on %s port %u: %s",
                            worker->ingest->settings.address, worker->ingest->port,
                            strerror(errno));
    listener_check_backlog(worker);
    return 0;
}

/* ---- accepting ------------------------------------------------------------------- */

static void listener_refuse(int fd, const char *peer)
{
    static struct fr_log_limit limit;

    fr_count(FR_COUNT_CONNECTIONS_REFUSED);
    fr_log_limited(&limit, FR_LOG_WARNING,
                   "%s refused: as many vehicles are connected as limits.connections allows; raise "
                   "this limit if all of them are yours",
                   peer);
    close(fd);
}

static void listener_report_out_of_descriptors(struct fr_worker *worker)
{
    static struct fr_log_limit limit;
    int64_t now = fr_monotonic_ms();

    if (now - atomic_exchange(&worker->ingest->out_of_descriptors_ms, now) > FR_WORKER_PAUSE_MS)
        fr_count(FR_COUNT_OUT_OF_DESCRIPTORS);
    fr_log_limited(&limit, FR_LOG_ERROR,
                   "new connections wait: all file descriptors for vehicles are in use (%zu of the "
                   "%zu that the process may have); raise LimitNOFILE= of the systemd unit or "
                   "`ulimit -n`, or lower limits.connections",
                   atomic_load(&worker->ingest->connections) +
                       atomic_load(&worker->ingest->half_open),
                   fr_descriptors_limit());
}

/* Whether an older connection must be closed before one more is accepted. */
static bool listener_is_full(const struct fr_worker *worker)
{
    return fr_limits_half_open_full(worker) || fr_limits_out_of_sockets(worker);
}

/* Without one there is no further search for SEARCH_PAUSE_MS: a full table would be searched after
 * each event. NULL: there is none now. */
static struct fr_connection *listener_find_victim(struct fr_worker *worker, int64_t now_ms)
{
    struct fr_connection *victim;

    if (now_ms < worker->search_after_ms)
        return NULL;
    victim = fr_half_open_victim(&worker->half_open, NULL, now_ms, fr_limits_rank);
    if (victim == NULL)
        worker->search_after_ms = now_ms + SEARCH_PAUSE_MS;
    return victim;
}

/* Close the half-open connection whose end costs least. False: there is none that may be closed. */
static bool listener_close_victim(struct fr_worker *worker, int64_t now_ms)
{
    static struct fr_log_limit limit;
    struct fr_connection *victim = listener_find_victim(worker, now_ms);

    if (victim == NULL)
        return false;
    fr_count(FR_COUNT_HALF_OPEN_CLOSED);
    fr_log_limited(
        &limit, FR_LOG_WARNING,
        "%s: closed before its WebSocket was open: it was the oldest of as many half-open "
        "connections as limits.half_open or the file descriptors allow; peers that send "
        "nothing are scanners or an attack",
        victim->peer);
    fr_connection_free(victim);
    return true;
}

void fr_listener_trim(struct fr_worker *worker, int64_t now_ms)
{
    size_t max = fr_limits_half_open_max(worker);

    if (!fr_limits_out_of_sockets(worker))
        return;
    while (worker->half_open.count > max && listener_close_victim(worker, now_ms))
        ;
}

/* Whether the source has as many half-open connections as it may have, without `counted`, which may
 * be NULL. A source with open WebSockets may have one more for each: these peers had certificates, so
 * the address is that of a carrier or of a load balancer with many vehicles. */
static bool listener_source_is_full(const struct fr_worker *worker, uint64_t source,
                                    const struct fr_connection *counted)
{
    size_t max = worker->settings.half_open_per_source, count;

    if (max == 0)
        return false;
    count = fr_half_open_of_source(&worker->half_open, source) - (counted != NULL);
    return count >= fr_limits_share(worker, max) &&
           count >=
               fr_limits_share(worker, max + fr_source_counts_of(worker->ingest->sources, source));
}

bool fr_listener_admit_source(struct fr_worker *worker, uint64_t source, const char *peer,
                              int64_t now_ms, const struct fr_connection *counted)
{
    static struct fr_log_limit limit;
    struct fr_connection *victim;

    if (!listener_source_is_full(worker, source, counted))
        return true;
    fr_count(FR_COUNT_SOURCE_OVER_LIMIT);
    fr_log_limited(&limit, FR_LOG_WARNING,
                   "%s: its address has limits.half_open_per_source connections without an open "
                   "WebSocket; the oldest is closed, or the new one is refused while the oldest is "
                   "younger than a second or waits for its handshake; for a load balancer set "
                   "listen.proxy_protocol, or set this limit to 0",
                   peer);
    victim = fr_half_open_victim(&worker->half_open, &source, now_ms, fr_limits_rank);
    if (victim == NULL || victim == counted)
        return false;
    fr_connection_free(victim);
    return true;
}

static void listener_set_accepting(struct fr_worker *worker, bool on)
{
    if (on == worker->accepting)
        return;
    worker->accepting = on;
    if (on)
        event_add(worker->accept_event, NULL);
    else
        event_del(worker->accept_event);
}

/* Whether one more connection can be accepted, possibly after an older one is closed for it. */
static bool listener_has_capacity(struct fr_worker *worker)
{
    return !listener_is_full(worker) || listener_find_victim(worker, fr_monotonic_ms()) != NULL;
}

void fr_listener_update(struct fr_worker *worker)
{
    bool on = !atomic_load(&worker->quiesce);

    if (on && worker->accept_after_ms != 0) {
        on = fr_monotonic_ms() >= worker->accept_after_ms;
        if (on)
            worker->accept_after_ms = 0;
    }
    listener_set_accepting(worker, on && listener_has_capacity(worker));
}

static void listener_admit(struct fr_worker *worker, int fd, const struct sockaddr_storage *address)
{
    bool proxied =
        fr_networks_contain(worker->settings.proxies, worker->settings.proxy_count, address);
    uint64_t source = fr_address_source(address);
    int64_t now = fr_monotonic_ms();
    char peer[FR_ADDRESS_TEXT_SIZE];

    fr_address_text(address, peer);
    fr_count(FR_COUNT_CONNECTIONS);
    if (atomic_load(&worker->ingest->connections) >= worker->settings.connections) {
        listener_refuse(fd, peer);
        return;
    }
    if (!proxied && !fr_listener_admit_source(worker, source, peer, now, NULL)) {
        close(fd);
        return;
    }
    if (listener_is_full(worker))
        listener_close_victim(worker, now);
    fr_connection_open(worker, fd, peer, source, proxied);
}

/* accept(2) failed. The socket stays readable, so the worker would loop without a pause. */
static void listener_handle_error(struct fr_worker *worker, int code)
{
    static struct fr_log_limit limit;

    if (code == EAGAIN || code == EINTR || code == ECONNABORTED)
        return;
    if (code == EMFILE || code == ENFILE)
        listener_report_out_of_descriptors(worker);
    else
        fr_log_limited(&limit, FR_LOG_ERROR, "cannot accept a connection: %s", strerror(code));
    worker->accept_after_ms = fr_monotonic_ms() + FR_WORKER_PAUSE_MS;
    fr_listener_update(worker);
}

void fr_listener_ready(evutil_socket_t listener, short events, void *ctx)
{
    struct fr_worker *worker = ctx;

    (void)events;
    for (int i = 0; i < ACCEPTS_PER_PASS; i++) {
        struct sockaddr_storage address;
        socklen_t len = sizeof address;
        int fd;

        fr_listener_update(worker);
        if (!worker->accepting) {
            if (fr_limits_out_of_sockets(worker))
                listener_report_out_of_descriptors(worker);
            return;
        }
        fd = accept4(listener, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            listener_handle_error(worker, errno);
            return;
        }
        listener_admit(worker, fd, &address);
    }
}
