#include "daemon/api_acts.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "admin/http_later.h"
#include "daemon/api_answer.h"
#include "daemon/control_commands.h"
#include "daemon/daemon_state.h"
#include "daemon/reload.h"
#include "daemon/reload_waiters.h"
#include "util/log.h"

/* Log an act with its outcome, and make the answer of it. Returns the HTTP status. */
static int acts_finish(const struct fr_http_call *call, struct fr_buffer *out, const char *act,
                       int code, const char *message)
{
    fr_log(FR_LOG_NOTICE, "admin: %s: %s of \"%s\": %s", call->who, act, call->segment, message);
    return code == 200 ? fr_api_succeed(out, message) : fr_api_refuse(out, code, message);
}

/* ---- reload ---------------------------------------------------------------------- */

int fr_api_reload(void *ctx, const struct fr_http_call *call, struct fr_buffer *out)
{
    if (!fr_reload_waiters_have_capacity(ctx))
        return fr_api_refuse(out, 503, "too many requests wait for a reload; try again");
    fr_log(FR_LOG_NOTICE, "admin: %s: a reload begins", call->who);
    fr_reload_waiters_add(ctx, fr_daemon_request_reload(ctx), call);
    return 0;
}

/* ---- sinks ----------------------------------------------------------------------- */

static int acts_pause(struct fr_daemon *d, const struct fr_http_call *call, struct fr_buffer *out,
                      bool pause)
{
    const char *act = pause ? "pause" : "resume";
    struct fr_sink *sink = fr_daemon_find_sink(d, call->segment, strlen(call->segment));

    if (sink == NULL)
        return acts_finish(call, out, act, 404, "there is no sink of this name");
    if (!fr_sink_pause(sink, pause))
        return acts_finish(call, out, act, 409,
                           "the sink does not run, or it reads no journal: without a journal its "
                           "records would be lost");
    return acts_finish(call, out, act, 200,
                       pause ? "paused; its records wait in the journal. A restart of the daemon "
                               "ends the pause"
                             : "resumed");
}

int fr_api_pause(void *ctx, const struct fr_http_call *call, struct fr_buffer *out)
{
    return acts_pause(ctx, call, out, true);
}

int fr_api_resume(void *ctx, const struct fr_http_call *call, struct fr_buffer *out)
{
    return acts_pause(ctx, call, out, false);
}

/* The member `seq` of the body. Returns false if there is none. */
static bool acts_read_position(const struct fr_http_call *call, uint64_t *seq)
{
    json_t *root = json_loadb(call->body, call->body_len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *number = json_object_get(root, "seq");
    bool valid = json_is_integer(number) && json_integer_value(number) >= 0;

    *seq = valid ? (uint64_t)json_integer_value(number) : 0;
    json_decref(root);
    return valid;
}

int fr_api_rewind(void *ctx, const struct fr_http_call *call, struct fr_buffer *out)
{
    struct fr_daemon *d = ctx;
    struct fr_error error;
    char message[64];
    uint64_t seq;

    if (!acts_read_position(call, &seq))
        return acts_finish(call, out, "rewind", 400,
                           "the body must be {\"seq\":NUMBER}, a record of the journal");
    if (fr_daemon_find_sink(d, call->segment, strlen(call->segment)) == NULL)
        return acts_finish(call, out, "rewind", 404, "there is no sink of this name");
    if (fr_daemon_rewind_sink(d, call->segment, strlen(call->segment), &seq, &error) != 0)
        return acts_finish(call, out, "rewind", 409, error.text);
    snprintf(message, sizeof message, "continues at record %llu", (unsigned long long)seq);
    return acts_finish(call, out, "rewind", 200, message);
}
