#include "postgres/login.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define INPUT_MAX 4194304   /* bytes without the end of a transaction */
#define RECEIVE_BUFFER 4096 /* bytes of the socket; answers are short */
#define CANCEL_NS 200000000 /* time in which a thread that does not compute ends */

struct login {
    PGconn *connection; /* owned; NULL: given to the callback */
    login_end *end;
    void *ctx;
    struct event *event; /* of `ended_fd` */
    int ended_fd, cancel_fd;
    bool too_much, cancelled;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ended;  /* under `lock`: the thread uses only the lock from now on */
    bool orphan; /* under `lock`: the thread frees the login */
};

static atomic_int threads; /* logins that run */

bool login_count_input(PGconn *connection, size_t *input)
{
    int bytes = 0;

    if (ioctl(PQsocket(connection), FIONREAD, &bytes) == 0 && bytes > 0)
        *input += (size_t)bytes;
    return *input <= INPUT_MAX;
}

void login_bound_buffer(PGconn *connection)
{
    int size = RECEIVE_BUFFER;

    setsockopt(PQsocket(connection), SOL_SOCKET, SO_RCVBUF, &size,
               sizeof size); /* else: the default */
}

/* OpenSSL frees its state when the process exits, and a thread that computes would use it. */
static void login_at_exit(int status, void *ctx)
{
    (void)ctx;
    if (atomic_load(&threads) == 0)
        return;
    fflush(NULL);
    _exit(status);
}

static void login_register(void)
{
    on_exit(login_at_exit, NULL);
}

/* ---- the thread ------------------------------------------------------------------ */

/* Wait for an event of the connection. False: the login was cancelled. */
static bool login_wait(struct login *l, short events)
{
    struct pollfd fds[] = {{.fd = l->cancel_fd, .events = POLLIN},
                           {.fd = PQsocket(l->connection), .events = events}};

    login_bound_buffer(l->connection);
    while (poll(fds, 2, -1) < 0 && errno == EINTR)
        ;
    return fds[0].revents == 0;
}

/* Whether the server has sent more than INPUT_MAX bytes since the connection began. libpq reads as long as a
 * fast server sends, so the bytes that wait before a call are fewer than those it reads. On a Unix socket the
 * kernel does not count them. */
static bool login_received_too_much(PGconn *connection)
{
    struct tcp_info info;
    socklen_t len = sizeof info;

    memset(&info, 0, sizeof info);
    return getsockopt(PQsocket(connection), IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
           info.tcpi_bytes_received > INPUT_MAX;
}

static void login_loop(struct login *l)
{
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    size_t input = 0;

    while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
        if (!login_wait(l, status == PGRES_POLLING_READING ? POLLIN : POLLOUT))
            return;
        l->too_much =
            !login_count_input(l->connection, &input) || login_received_too_much(l->connection);
        if (l->too_much)
            return;
        status = PQconnectPoll(l->connection);
    }
}

static void login_destroy(struct login *l)
{
    if (l->event != NULL)
        event_free(l->event);
    if (l->ended_fd >= 0)
        close(l->ended_fd);
    if (l->cancel_fd >= 0)
        close(l->cancel_fd);
    PQfinish(l->connection);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static void login_signal(int fd)
{
    uint64_t one = 1;

    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void *login_thread(void *ctx)
{
    struct login *l = ctx;
    bool orphan;

    login_loop(l);
    pthread_mutex_lock(&l->lock);
    orphan = l->orphan;
    l->ended = true;
    login_signal(l->ended_fd);
    pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->lock);
    if (orphan)
        login_destroy(l);
    atomic_fetch_sub(&threads, 1);
    return NULL;
}

/* ---- the sink's thread ----------------------------------------------------------- */

static void login_on_end(evutil_socket_t fd, short what, void *ctx)
{
    struct login *l = ctx;
    PGconn *connection;

    (void)fd, (void)what;
    event_del(l->event);
    pthread_mutex_lock(&l->lock); /* orders what the thread has written before this */
    connection = l->connection;
    l->connection = NULL;
    pthread_mutex_unlock(&l->lock);
    l->end(l->ctx, connection, l->too_much);
}

static bool login_prepare(struct login *l, struct event_base *base)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&l->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    l->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    l->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->ended_fd < 0 || l->cancel_fd < 0)
        return false;
    l->event = event_new(base, l->ended_fd, EV_READ, login_on_end, l);
    return l->event != NULL && event_add(l->event, NULL) == 0;
}

struct login *login_start(PGconn *connection, struct event_base *base, login_end *end, void *ctx)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct login *l = calloc(1, sizeof *l);

    if (l == NULL)
        return NULL;
    l->end = end;
    l->ctx = ctx;
    pthread_once(&once, login_register);
    if (login_prepare(l, base)) {
        l->connection = connection;
        atomic_fetch_add(&threads, 1);
        if (pthread_create(&l->thread, NULL, login_thread, l) == 0)
            return l;
        atomic_fetch_sub(&threads, 1);
        l->connection = NULL;
    }
    login_destroy(l);
    return NULL;
}

bool login_cancel(struct login *l)
{
    struct timespec until;
    bool ended;

    if (l->event != NULL)
        event_free(l->event);
    l->event = NULL;
    login_signal(l->cancel_fd);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += l->cancelled ? 0 : CANCEL_NS;
    l->cancelled = true;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&l->lock);
    while (!l->ended && pthread_cond_timedwait(&l->changed, &l->lock, &until) == 0)
        ;
    ended = l->ended;
    pthread_mutex_unlock(&l->lock);
    if (!ended)
        return false;
    pthread_join(l->thread, NULL);
    login_destroy(l);
    return true;
}

void login_free(struct login *l)
{
    bool ended;

    if (l == NULL || login_cancel(l))
        return;
    pthread_detach(l->thread);
    pthread_mutex_lock(&l->lock);
    ended = l->ended;
    l->orphan = true;
    pthread_mutex_unlock(&l->lock);
    if (ended)
        login_destroy(l);
}
