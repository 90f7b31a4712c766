#include "admin/http_jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/http_admin_state.h"
#include "admin/http_later.h"
#include "admin/jobs.h"
#include "util/json_text.h"
#include "util/memory.h"

#define BUSY "too many requests wait; try again"

struct http_job {
    fr_http_render_fn *render;
    void *ctx;
    void (*release)(void *ctx);
    char *query, *segment;
    char who[FR_HTTP_WHO_SIZE];
    struct fr_http_later *later;
    struct fr_buffer out;
    int code;
};

/* Some endpoints report a refusal as {"ok":false,"message":TEXT}, others as {"error":TEXT}. */
static int http_job_refuse(struct fr_buffer *out, const char *text)
{
    fr_buffer_free(out);
    fr_buffer_text(out, "{\"ok\":false,\"message\":");
    fr_json_string(out, text, strlen(text));
    fr_buffer_text(out, ",\"error\":");
    fr_json_string(out, text, strlen(text));
    fr_buffer_byte(out, '}');
    return 503;
}

static void http_job_run(void *ctx, const _Atomic bool *cancelled)
{
    struct http_job *job = ctx;
    struct fr_http_call call = {.query = job->query,
                                .segment = job->segment,
                                .body = "",
                                .who = job->who,
                                .cancelled = cancelled};

    job->code = job->render(job->ctx, &call, &job->out);
}

static void http_job_free(struct http_job *job)
{
    if (job->release != NULL)
        job->release(job->ctx);
    fr_buffer_free(&job->out);
    free(job->query);
    free(job->segment);
    free(job);
}

static void http_job_done(void *ctx, enum fr_job_end end)
{
    struct http_job *job = ctx;

    if (end != FR_JOB_DONE)
        job->code = http_job_refuse(&job->out, BUSY);
    else if (job->out.failed)
        job->code = http_job_refuse(&job->out, "out of memory");
    fr_http_send_later(job->later, job->code, &job->out);
    http_job_free(job);
}

static bool http_job_is_unwanted(void *ctx)
{
    const struct http_job *job = ctx;

    return fr_http_later_client_left(job->later);
}

static const struct fr_job_type http_job_type = {http_job_run, http_job_done, http_job_is_unwanted};

int fr_http_job_start(const struct fr_http_call *call, fr_http_render_fn *render, void *job_ctx,
                      void (*release)(void *job_ctx), struct fr_buffer *out)
{
    const struct fr_http_exchange *exchange = call->exchange;
    struct http_job *job = fr_calloc(1, sizeof *job);

    job->render = render;
    job->ctx = job_ctx;
    job->release = release;
    job->query = fr_strdup(call->query);
    job->segment = fr_strdup(call->segment);
    snprintf(job->who, sizeof job->who, "%s", call->who);
    if (exchange->admin->jobs == NULL ||
        fr_jobs_add(exchange->admin->jobs, exchange->source, &http_job_type, job) == NULL) {
        http_job_free(job);
        return http_job_refuse(out, BUSY);
    }
    job->later = fr_http_later(call); /* http_job_done() is not called before this function ends */
    return 0;
}
