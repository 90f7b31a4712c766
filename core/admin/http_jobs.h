/*
 * http_jobs.h - requests that take too long for the event loop: one thread renders them, one after
 * the other.
 *
 * Functions run in the thread of the event loop.
 */
#ifndef FR_HTTP_JOBS_H
#define FR_HTTP_JOBS_H

#include <event2/event.h>

#include "admin/http_later.h"
#include "admin/http_types.h"
#include "util/error.h"

/* At most this many requests wait or run. */
#define FR_HTTP_JOBS_MAX 32

struct fr_http_jobs;

/* The thread starts with the first job. Returns NULL with `error` set on failure. */
struct fr_http_jobs *fr_http_jobs_new(struct event_base *base, struct fr_error *error);

/* Wait for the end of the job that runs, and answer no job any more. NULL is ignored. Called before
 * the requests are freed. */
void fr_http_jobs_free(struct fr_http_jobs *jobs);

/* Whether a job can be added. */
bool fr_http_jobs_have_capacity(const struct fr_http_jobs *jobs);

/* Render `endpoint` for `call`, whose texts are copied, and answer `later`. `ctx` is the context of
 * the endpoint. Only if there is capacity. */
void fr_http_jobs_add(struct fr_http_jobs *jobs, const struct fr_http_endpoint *endpoint, void *ctx,
                      const struct fr_http_call *call, struct fr_http_later *later);

#endif
