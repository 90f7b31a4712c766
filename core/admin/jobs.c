#include "admin/jobs.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/log.h"
#include "util/memory.h"

#define NICE 5 /* of the threads: workers and the journal have precedence */

static const struct timeval check_interval = {0, 100000}; /* of the event loop's checks */

enum job_state { JOB_WAITING, JOB_RUNNING, JOB_ENDED };

struct fr_job {
    struct fr_jobs *jobs;
    const struct fr_job_type *type;
    void *ctx;
    uint64_t client;
    uint64_t turn; /* jobs start in this order */
    int64_t added_ms;
    _Atomic bool cancelled;
    enum job_state state; /* under lock */
    enum fr_job_end end;  /* under lock */
    struct fr_job *next;
};

struct fr_jobs {
    pthread_mutex_t lock; /* of the list, the states, `turn` and `stop` */
    pthread_cond_t added;
    struct fr_job *first, **last; /* all jobs, oldest first */
    uint64_t turn;                /* of the job that was started last */
    bool stop;
    /* Thread of the event loop only. */
    pthread_t threads[FR_JOBS_THREADS];
    size_t thread_count;
    int ended_fd; /* eventfd: a job has ended */
    struct event *ended_event, *timer;
};

static void jobs_notify(struct fr_jobs *jobs)
{
    uint64_t one = 1;

    if (write(jobs->ended_fd, &one, sizeof one) < 0)
        fr_log(FR_LOG_ERROR, "admin: cannot write to the eventfd: %s", strerror(errno));
}

/* ---- the threads ----------------------------------------------------------------- */

static bool jobs_client_runs(const struct fr_jobs *jobs, uint64_t client)
{
    for (const struct fr_job *job = jobs->first; job != NULL; job = job->next)
        if (job->client == client && job->state == JOB_RUNNING)
            return true;
    return false;
}

/* The waiting job with the lowest turn of a client without a running job; the oldest of equals. */
static struct fr_job *jobs_select(const struct fr_jobs *jobs)
{
    struct fr_job *best = NULL;

    for (struct fr_job *job = jobs->first; job != NULL; job = job->next)
        if (job->state == JOB_WAITING && (best == NULL || job->turn < best->turn) &&
            !jobs_client_runs(jobs, job->client))
            best = job;
    return best;
}

static void *jobs_run(void *ctx)
{
    struct fr_jobs *jobs = ctx;
    struct fr_job *job;

    setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); /* of this thread alone */
    pthread_mutex_lock(&jobs->lock);
    for (;;) {
        while (!jobs->stop && (job = jobs_select(jobs)) == NULL)
            pthread_cond_wait(&jobs->added, &jobs->lock);
        if (jobs->stop)
            break;
        job->state = JOB_RUNNING;
        jobs->turn = job->turn;
        pthread_mutex_unlock(&jobs->lock);
        job->type->run(job->ctx, &job->cancelled);
        pthread_mutex_lock(&jobs->lock);
        job->state = JOB_ENDED;
        job->end = FR_JOB_DONE;
        pthread_cond_signal(&jobs->added); /* another job of this client may start */
        jobs_notify(jobs);
    }
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

/* The threads handle no signal: they belong to the event loop. Returns whether one runs. */
static bool jobs_start(struct fr_jobs *jobs)
{
    sigset_t all, before;
    int code = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (jobs->thread_count < FR_JOBS_THREADS && code == 0) {
        code = pthread_create(&jobs->threads[jobs->thread_count], NULL, jobs_run, jobs);
        jobs->thread_count += code == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0)
        fr_log(FR_LOG_ERROR, "admin: cannot start a thread: %s; raise TasksMax= of the unit",
               strerror(code));
    return jobs->thread_count != 0;
}

/* ---- the thread of the event loop ------------------------------------------------ */

/* Take the first ended job from the list; NULL: there is none. */
static struct fr_job *jobs_take_ended(struct fr_jobs *jobs)
{
    struct fr_job **at, *job;

    pthread_mutex_lock(&jobs->lock);
    for (at = &jobs->first; *at != NULL && (*at)->state != JOB_ENDED; at = &(*at)->next)
        ;
    job = *at;
    if (job != NULL && (*at = job->next) == NULL)
        jobs->last = at;
    pthread_mutex_unlock(&jobs->lock);
    return job;
}

static void jobs_finish_ended(struct fr_jobs *jobs)
{
    struct fr_job *job;

    while ((job = jobs_take_ended(jobs)) != NULL) {
        job->type->done(job->ctx, job->end);
        free(job);
    }
}

static void jobs_on_ended(evutil_socket_t fd, short what, void *ctx)
{
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        fr_log(FR_LOG_ERROR, "admin: cannot read the eventfd: %s", strerror(errno));
    jobs_finish_ended(ctx);
}

/* Jobs of the list are removed by this thread alone, so the list can be walked without the lock. */
static void jobs_on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_jobs *jobs = ctx;
    int64_t late_ms = fr_monotonic_ms() - FR_JOBS_WAIT_MS;

    (void)fd, (void)what;
    for (struct fr_job *job = jobs->first; job != NULL; job = job->next) {
        if (job->type->is_unwanted != NULL && job->type->is_unwanted(job->ctx))
            fr_job_cancel(job);
        pthread_mutex_lock(&jobs->lock);
        if (job->state == JOB_WAITING && job->added_ms < late_ms) {
            job->state = JOB_ENDED;
            job->end = FR_JOB_LATE;
        }
        pthread_mutex_unlock(&jobs->lock);
    }
    jobs_finish_ended(jobs);
    if (jobs->first != NULL)
        event_add(jobs->timer, &check_interval);
}

void fr_job_cancel(struct fr_job *job)
{
    struct fr_jobs *jobs = job->jobs;

    atomic_store(&job->cancelled, true);
    pthread_mutex_lock(&jobs->lock);
    if (job->state == JOB_WAITING) {
        job->state = JOB_ENDED;
        job->end = FR_JOB_CANCELLED;
        jobs_notify(jobs);
    }
    pthread_mutex_unlock(&jobs->lock);
}

static size_t jobs_count_client(const struct fr_jobs *jobs, uint64_t client)
{
    size_t count = 0;

    for (const struct fr_job *job = jobs->first; job != NULL; job = job->next)
        count += job->client == client && job->state != JOB_ENDED;
    return count;
}

/* End the newest waiting job of the client with the most jobs, if that has at least two more than
 * `of_client`. Returns whether there was one. Under the lock. */
static bool jobs_displace(struct fr_jobs *jobs, size_t of_client)
{
    size_t max = of_client + 1;
    struct fr_job *newest = NULL;

    for (struct fr_job *job = jobs->first; job != NULL; job = job->next) {
        size_t count = job->state == JOB_WAITING ? jobs_count_client(jobs, job->client) : 0;

        if (count > max || (newest != NULL && count == max)) {
            newest = job;
            max = count;
        }
    }
    if (newest == NULL)
        return false;
    newest->state = JOB_ENDED;
    newest->end = FR_JOB_CANCELLED;
    jobs_notify(jobs);
    return true;
}

/* Whether another job of this client may wait. *turn: the turn after those of its jobs. Under the
 * lock. */
static bool jobs_have_capacity(struct fr_jobs *jobs, uint64_t client, uint64_t *turn)
{
    size_t count = 0, of_client = 0;

    *turn = jobs->turn;
    for (const struct fr_job *job = jobs->first; job != NULL; job = job->next) {
        count += job->state != JOB_ENDED;
        if (job->client != client)
            continue;
        of_client++; /* with ended ones, until done() was called */
        if (job->turn >= *turn)
            *turn = job->turn + 1;
    }
    return of_client < FR_JOBS_CLIENT_MAX &&
           (count < FR_JOBS_MAX || jobs_displace(jobs, jobs_count_client(jobs, client)));
}

struct fr_job *fr_jobs_add(struct fr_jobs *jobs, uint64_t client, const struct fr_job_type *type,
                           void *ctx)
{
    struct fr_job *job = NULL;
    uint64_t turn;

    pthread_mutex_lock(&jobs->lock);
    if (jobs_have_capacity(jobs, client, &turn)) {
        job = fr_calloc(1, sizeof *job);
        job->jobs = jobs;
        job->type = type;
        job->ctx = ctx;
        job->client = client;
        job->turn = turn;
        job->added_ms = fr_monotonic_ms();
        *jobs->last = job;
        jobs->last = &job->next;
        pthread_cond_signal(&jobs->added);
    }
    pthread_mutex_unlock(&jobs->lock);
    if (job == NULL)
        return NULL;
    if (!jobs_start(jobs))
        fr_job_cancel(job);
    if (!evtimer_pending(jobs->timer, NULL))
        event_add(jobs->timer, &check_interval);
    return job;
}

/* ---- start and end --------------------------------------------------------------- */

struct fr_jobs *fr_jobs_new(struct event_base *base, struct fr_error *error)
{
    struct fr_jobs *jobs = fr_calloc(1, sizeof *jobs);

    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->added, NULL);
    jobs->last = &jobs->first;
    jobs->ended_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    jobs->ended_event = event_new(base, jobs->ended_fd, EV_READ | EV_PERSIST, jobs_on_ended, jobs);
    jobs->timer = evtimer_new(base, jobs_on_timer, jobs);
    if (jobs->ended_fd >= 0 && jobs->ended_event != NULL && jobs->timer != NULL &&
        event_add(jobs->ended_event, NULL) == 0)
        return jobs;
    fr_error_set(error, "admin: cannot create its events");
    fr_jobs_free(jobs);
    return NULL;
}

void fr_jobs_free(struct fr_jobs *jobs)
{
    if (jobs == NULL)
        return;
    for (struct fr_job *job = jobs->first; job != NULL; job = job->next)
        fr_job_cancel(job);
    pthread_mutex_lock(&jobs->lock);
    jobs->stop = true;
    pthread_cond_broadcast(&jobs->added);
    pthread_mutex_unlock(&jobs->lock);
    for (size_t i = 0; i < jobs->thread_count; i++)
        pthread_join(jobs->threads[i], NULL);
    jobs_finish_ended(jobs);
    if (jobs->ended_event != NULL)
        event_free(jobs->ended_event);
    if (jobs->timer != NULL)
        event_free(jobs->timer);
    if (jobs->ended_fd >= 0)
        close(jobs->ended_fd);
    pthread_mutex_destroy(&jobs->lock);
    pthread_cond_destroy(&jobs->added);
    free(jobs);
}
