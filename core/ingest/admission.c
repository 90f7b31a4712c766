#include "ingest/admission.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ingest/handshake_queue.h"
#include "ingest/listener.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/plural.h"

/* ---- the busy period ------------------------------------------------------------- */

enum fr_admission_change fr_admission_update(struct fr_busy_period *p,
                                             const struct fr_handshakes_waiting *waiting,
                                             int64_t now_ms)
{
    size_t count = waiting->queued + waiting->in_kernel;
    bool waits = waiting->longest_ms >= FR_ADMISSION_BUSY_MS;

    if (!p->busy && !waits)
        return FR_ADMISSION_UNCHANGED;
    if (!p->busy) {
        int64_t rest_ms = now_ms - p->ended_ms;

        p->since_ms = now_ms - waiting->longest_ms;
        /* The allowance returns only with time outside of busy periods. */
        p->paused_ms = p->paused_ms > rest_ms ? p->paused_ms - rest_ms : 0;
        p->calm_ms = p->longest_ms = 0;
        p->max_waiting = 0;
    }
    if (count > p->max_waiting)
        p->max_waiting = count;
    if (waiting->longest_ms > p->longest_ms)
        p->longest_ms = waiting->longest_ms;
    if (!p->busy) {
        p->busy = true;
        return FR_ADMISSION_BEGINS;
    }
    if (waits)
        p->calm_ms = 0;
    else if (p->calm_ms == 0)
        p->calm_ms = now_ms;
    else if (now_ms - p->calm_ms >= FR_ADMISSION_CALM_MS) {
        p->busy = false;
        p->ended_ms = now_ms;
        return FR_ADMISSION_ENDS;
    }
    return FR_ADMISSION_UNCHANGED;
}

int64_t fr_admission_pause_ms(struct fr_busy_period *p, int64_t elapsed_ms)
{
    int64_t left_ms = FR_ADMISSION_PAUSE_MAX_MS - p->paused_ms;

    if (!p->busy)
        return 0;
    if (elapsed_ms > left_ms)
        elapsed_ms = left_ms;
    p->paused_ms += elapsed_ms;
    return elapsed_ms;
}

/* ---- log lines ------------------------------------------------------------------- */

/* What shortens the wait, for the log line. */
static void admission_remedy(const struct fr_ingest *ingest,
                             const struct fr_handshakes_waiting *waiting, char *text, size_t size)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (waiting->in_kernel_full != 0 && waiting->in_kernel_max < FR_LISTENER_BACKLOG)
        snprintf(text, size,
                 "the kernel drops further ones, which then try again later: set the sysctl "
                 "net.core.somaxconn to %d (now %zu) and restart fleetrouted",
                 FR_LISTENER_BACKLOG, waiting->in_kernel_max);
    else if (cores > (long)ingest->worker_count)
        snprintf(text, size, "raise listen.workers from %u to %ld, the number of processors",
                 ingest->worker_count, cores);
    else
        snprintf(text, size, "more processors, or a second host, shorten the wait");
}

static void admission_log_begin(const struct fr_ingest *ingest,
                                const struct fr_handshakes_waiting *waiting)
{
    static struct fr_log_limit limit;
    size_t count = waiting->queued + waiting->in_kernel;
    char remedy[192];

    admission_remedy(ingest, waiting, remedy, sizeof remedy);
    fr_log_limited(
        &limit, FR_LOG_NOTICE,
        "handshakes: %zu connection%s wait, the oldest for %.1f s: more peers connect at "
        "once than %u worker%s can serve. They are served oldest first, connected "
        "vehicles in between; %s",
        count, fr_plural(count), (double)waiting->longest_ms / 1000, ingest->worker_count,
        fr_plural(ingest->worker_count), remedy);
}

static void admission_log_end(const struct fr_ingest *ingest, const struct fr_busy_period *p,
                              int64_t now_ms)
{
    static struct fr_log_limit limit;

    fr_log_limited(&limit, FR_LOG_NOTICE,
                   "handshakes: none waits for 1 s or longer any more: %zu vehicles are connected, "
                   "%zu were %.1f s ago, when the waiting began; at most %zu connections waited, "
                   "the longest wait was %.1f s, %llu peers left before their turn",
                   atomic_load(&ingest->connections), p->open,
                   (double)(now_ms - p->since_ms) / 1000, p->max_waiting,
                   (double)p->longest_ms / 1000,
                   (unsigned long long)(fr_count_read(FR_COUNT_HANDSHAKE_LEFT) - p->left));
}

/* ---- the tick -------------------------------------------------------------------- */

/* For a listening socket the kernel returns the length of its queue of connections to accept in
 * tcpi_unacked, and the maximum in tcpi_sacked (net/ipv4/tcp.c, tcp_get_info). */
static void admission_read_kernel_queue(struct fr_worker *worker)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;

    if (getsockopt(worker->listener, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return;
    atomic_store(&worker->waiting.in_kernel, info.tcpi_unacked);
    atomic_store(&worker->waiting.in_kernel_max, info.tcpi_sacked);
}

static void admission_report(struct fr_worker *worker, int64_t now_ms)
{
    int64_t longest_ms = fr_handshake_queue_wait_ms(worker, now_ms);

    if (worker->handshakes.longest_ms > longest_ms)
        longest_ms = worker->handshakes.longest_ms;
    worker->handshakes.longest_ms = 0;
    atomic_store(&worker->waiting.longest_ms, longest_ms);
    atomic_store(&worker->waiting.queued, fr_handshake_queue_count(worker));
    admission_read_kernel_queue(worker);
}

struct fr_handshakes_waiting fr_admission_waiting(const struct fr_ingest *ingest)
{
    struct fr_handshakes_waiting sum = {0};

    for (unsigned i = 0; i < ingest->worker_count; i++) {
        const struct fr_waiting_report *report = &ingest->workers[i].waiting;
        size_t in_kernel = atomic_load(&report->in_kernel);
        size_t max = atomic_load(&report->in_kernel_max);
        int64_t longest_ms = atomic_load(&report->longest_ms);

        sum.queued += atomic_load(&report->queued);
        sum.in_kernel += in_kernel;
        if (max != 0 && in_kernel >= max)
            sum.in_kernel_full++;
        if (max != 0 && (sum.in_kernel_max == 0 || max < sum.in_kernel_max))
            sum.in_kernel_max = max;
        if (longest_ms > sum.longest_ms)
            sum.longest_ms = longest_ms;
    }
    return sum;
}

/* Until a busy period begins, remember the numbers with which its end is compared. */
static void admission_remember(struct fr_ingest *ingest)
{
    ingest->busy_period.left = fr_count_read(FR_COUNT_HANDSHAKE_LEFT);
    ingest->busy_period.open = atomic_load(&ingest->connections);
}

void fr_admission_tick(struct fr_worker *worker, int64_t now_ms, int64_t elapsed_ms)
{
    struct fr_ingest *ingest = worker->ingest;
    struct fr_busy_period *period = &ingest->busy_period;
    struct fr_handshakes_waiting waiting;

    admission_report(worker, now_ms);
    if (worker != &ingest->workers[0])
        return;
    waiting = fr_admission_waiting(ingest);
    switch (fr_admission_update(period, &waiting, now_ms)) {
    case FR_ADMISSION_BEGINS:
        admission_log_begin(ingest, &waiting);
        break;
    case FR_ADMISSION_ENDS:
        admission_log_end(ingest, period, now_ms);
        break;
    case FR_ADMISSION_UNCHANGED:
        break;
    }
    if (!period->busy)
        admission_remember(ingest);
    fr_presence_delay_expiry(ingest->presence, fr_admission_pause_ms(period, elapsed_ms));
}
