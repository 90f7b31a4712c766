/*
 * http_jobs.h - requests that are rendered in the threads of jobs.h and answered later.
 *
 * The functions run in the thread of the event loop.
 */
#ifndef FR_HTTP_JOBS_H
#define FR_HTTP_JOBS_H

#include "admin/http_types.h"

/* Render the answer of `call`, whose texts are copied, in a thread of the jobs. render() gets
 * job_ctx, and a call with `cancelled` and without an exchange. release() is called in the thread of
 * the event loop, in any case; NULL: job_ctx needs no release. A job whose client leaves is
 * cancelled. Returns 0: the answer is sent later; or, if too many requests wait, 503 with a body in
 * `out`. */
int fr_http_job_start(const struct fr_http_call *call, fr_http_render_fn *render, void *job_ctx,
                      void (*release)(void *job_ctx), struct fr_buffer *out);

#endif
