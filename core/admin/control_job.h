/* control_job.h - a control command that is answered in a thread of jobs.h. Thread of the event
 * loop. */
#ifndef FR_CONTROL_JOB_H
#define FR_CONTROL_JOB_H

#include "admin/control_socket.h"

struct fr_control_job;

/* Start `command`, with its ctx and arguments (copied). done() is called later with the answer, one
 * line that is valid during the call; NULL: the command could not be answered in time. Returns NULL
 * if too many jobs wait; done() is not called then. */
struct fr_control_job *fr_control_job_start(struct fr_jobs *jobs,
                                            const struct fr_control_command *command, void *ctx,
                                            const char *arguments,
                                            void (*done)(void *done_ctx, struct fr_buffer *answer),
                                            void *done_ctx);

/* Cancel the job: done() is not called any more. NULL is ignored. */
void fr_control_job_abandon(struct fr_control_job *job);

#endif
