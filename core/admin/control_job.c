#include "admin/control_job.h"

#include <stdlib.h>

#include "util/memory.h"

struct fr_control_job {
    fr_control_job_fn *run;
    void *ctx;
    char *arguments;
    struct fr_buffer out;
    void (*done)(void *done_ctx, struct fr_buffer *answer); /* NULL: abandoned */
    void *done_ctx;
    struct fr_job *job;
};

static void control_job_run(void *ctx, const _Atomic bool *cancelled)
{
    struct fr_control_job *job = ctx;

    job->run(job->ctx, job->arguments, cancelled, &job->out);
    fr_buffer_byte(&job->out, '\n');
}

static void control_job_free(struct fr_control_job *job)
{
    fr_buffer_free(&job->out);
    free(job->arguments);
    free(job);
}

static void control_job_done(void *ctx, enum fr_job_end end)
{
    struct fr_control_job *job = ctx;

    if (job->done != NULL)
        job->done(job->done_ctx, end == FR_JOB_DONE && !job->out.failed ? &job->out : NULL);
    control_job_free(job);
}

struct fr_control_job *fr_control_job_start(struct fr_jobs *jobs, fr_control_job_fn *run, void *ctx,
                                            const char *arguments,
                                            void (*done)(void *done_ctx, struct fr_buffer *answer),
                                            void *done_ctx)
{
    static const struct fr_job_type type = {control_job_run, control_job_done, NULL};
    struct fr_control_job *job = fr_calloc(1, sizeof *job);

    job->run = run;
    job->ctx = ctx;
    job->arguments = fr_strdup(arguments);
    job->done = done;
    job->done_ctx = done_ctx;
    job->job = fr_jobs_add(jobs, FR_JOBS_CONTROL_SOCKET, &type, job);
    if (job->job != NULL)
        return job;
    control_job_free(job);
    return NULL;
}

void fr_control_job_abandon(struct fr_control_job *job)
{
    if (job == NULL)
        return;
    job->done = NULL;
    fr_job_cancel(job->job);
}
