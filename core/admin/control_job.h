/* control_job.h - a control command that is answered in a thread of jobs.h. Thread of the event
 * loop. */
#ifndef FR_CONTROL_JOB_H
#define FR_CONTROL_JOB_H

#include "admin/jobs.h"
#include "util/buffer.h"

struct fr_control_job;

/* Append the answer to `out`, in a thread of the jobs. *cancelled: the client has left. */
typedef void fr_control_job_fn(void *ctx, const char *arguments, const _Atomic bool *cancelled,
                               struct fr_buffer *out);

/* Start run() with its ctx and arguments (copied). done() is called later with the answer, one
 * line that is valid during the call; NULL: the command could not be answered in time. Returns NULL
 * if too many jobs wait; done() is not called then. */
struct fr_control_job *fr_control_job_start(struct fr_jobs *jobs, fr_control_job_fn *run, void *ctx,
                                            const char *arguments,
                                            void (*done)(void *done_ctx, struct fr_buffer *answer),
                                            void *done_ctx);

/* Cancel the job: done() is not called any more. NULL is ignored. */
void fr_control_job_abandon(struct fr_control_job *job);

#endif
