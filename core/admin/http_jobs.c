#include "admin/http_jobs.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/log.h"
#include "util/memory.h"

struct job {
    const struct fr_http_endpoint *endpoint;
    void *ctx; /* of prepare(), or of the endpoints */
    char *query, *segment;
    struct fr_http_later *later;
    struct fr_buffer out;
    int code;
    struct job *next;
};

struct fr_http_jobs {
    pthread_mutex_t lock; /* of the lists and `stop` */
    pthread_cond_t added;
    struct job *first, **end; /* waiting, oldest first */
    struct job *done;         /* rendered and not answered */
    bool stop;
    /* Thread of the event loop only. */
    pthread_t thread;
    bool started;
    size_t count; /* jobs that are not answered */
    int done_fd;  /* eventfd: `done` is not empty */
    struct event *done_event;
};

/* ---- the thread of the jobs ------------------------------------------------------ */

static void jobs_render(struct fr_http_jobs *jobs, struct job *job)
{
    struct fr_http_call call = {
        .query = job->query, .segment = job->segment, .body = "", .who = ""};
    uint64_t one = 1;

    job->code = job->endpoint->render(job->ctx, &call, &job->out);
    pthread_mutex_lock(&jobs->lock);
    job->next = jobs->done;
    jobs->done = job;
    pthread_mutex_unlock(&jobs->lock);
    if (write(jobs->done_fd, &one, sizeof one) < 0)
        fr_log(FR_LOG_ERROR, "admin: cannot write to the eventfd: %s", strerror(errno));
}

static void *jobs_run(void *ctx)
{
    struct fr_http_jobs *jobs = ctx;
    struct job *job;

    for (;;) {
        pthread_mutex_lock(&jobs->lock);
        while (jobs->first == NULL && !jobs->stop)
            pthread_cond_wait(&jobs->added, &jobs->lock);
        job = jobs->stop ? NULL : jobs->first;
        if (job != NULL && (jobs->first = job->next) == NULL)
            jobs->end = &jobs->first;
        pthread_mutex_unlock(&jobs->lock);
        if (job == NULL)
            return NULL;
        jobs_render(jobs, job);
    }
}

/* ---- the thread of the event loop ------------------------------------------------ */

static void jobs_finish(struct fr_http_jobs *jobs, struct job *job)
{
    struct fr_buffer failure = {0};

    if (job->out.failed) {
        fr_buffer_text(&failure, "{\"ok\":false,\"message\":\"out of memory\"}");
        fr_http_send_later(job->later, 503, &failure);
        fr_buffer_free(&failure);
    } else
        fr_http_send_later(job->later, job->code, &job->out);
    if (job->endpoint->release != NULL)
        job->endpoint->release(job->ctx);
    fr_buffer_free(&job->out);
    free(job->query);
    free(job->segment);
    free(job);
    jobs->count--;
}

static void jobs_on_done(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_http_jobs *jobs = ctx;
    struct job *job, *next;
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        fr_log(FR_LOG_ERROR, "admin: cannot read the eventfd: %s", strerror(errno));
    pthread_mutex_lock(&jobs->lock);
    job = jobs->done;
    jobs->done = NULL;
    pthread_mutex_unlock(&jobs->lock);
    for (; job != NULL; job = next) {
        next = job->next;
        jobs_finish(jobs, job);
    }
}

/* The thread handles no signal: they belong to the event loop. */
static bool jobs_start(struct fr_http_jobs *jobs)
{
    sigset_t all, before;
    int code;

    if (jobs->started)
        return true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    code = pthread_create(&jobs->thread, NULL, jobs_run, jobs);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0)
        fr_log(FR_LOG_ERROR, "admin: cannot start a thread: %s; raise TasksMax= of the unit",
               strerror(code));
    return jobs->started = code == 0;
}

struct fr_http_jobs *fr_http_jobs_new(struct event_base *base, struct fr_error *error)
{
    struct fr_http_jobs *jobs = fr_calloc(1, sizeof *jobs);

    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->added, NULL);
    jobs->end = &jobs->first;
    jobs->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    jobs->done_event = event_new(base, jobs->done_fd, EV_READ | EV_PERSIST, jobs_on_done, jobs);
    if (jobs->done_fd >= 0 && jobs->done_event != NULL && event_add(jobs->done_event, NULL) == 0)
        return jobs;
    fr_error_set(error, "admin: cannot create its events");
    fr_http_jobs_free(jobs);
    return NULL;
}

void fr_http_jobs_free(struct fr_http_jobs *jobs)
{
    struct job *job;

    if (jobs == NULL)
        return;
    pthread_mutex_lock(&jobs->lock);
    jobs->stop = true;
    pthread_cond_signal(&jobs->added);
    pthread_mutex_unlock(&jobs->lock);
    if (jobs->started)
        pthread_join(jobs->thread, NULL);
    *jobs->end = jobs->done; /* the jobs that wait, then those that are done */
    while ((job = jobs->first) != NULL) {
        jobs->first = job->next;
        job->code = 503;
        jobs_finish(jobs, job);
    }
    if (jobs->done_event != NULL)
        event_free(jobs->done_event);
    if (jobs->done_fd >= 0)
        close(jobs->done_fd);
    pthread_mutex_destroy(&jobs->lock);
    pthread_cond_destroy(&jobs->added);
    free(jobs);
}

bool fr_http_jobs_have_capacity(const struct fr_http_jobs *jobs)
{
    return jobs->count < FR_HTTP_JOBS_MAX;
}

void fr_http_jobs_add(struct fr_http_jobs *jobs, const struct fr_http_endpoint *endpoint, void *ctx,
                      const struct fr_http_call *call, struct fr_http_later *later)
{
    struct job *job = fr_calloc(1, sizeof *job);

    *job = (struct job){
        .endpoint = endpoint,
        .ctx = endpoint->prepare != NULL ? endpoint->prepare(ctx) : ctx,
        .query = fr_strdup(call->query),
        .segment = fr_strdup(call->segment),
        .later = later,
    };
    jobs->count++;
    if (!jobs_start(jobs)) {
        job->code = 503;
        jobs_finish(jobs, job);
        return;
    }
    pthread_mutex_lock(&jobs->lock);
    *jobs->end = job;
    jobs->end = &job->next;
    pthread_cond_signal(&jobs->added);
    pthread_mutex_unlock(&jobs->lock);
}
