/*
 * api_acts.h - what an administrator may do over HTTP. Each act is logged with its author and its
 * outcome, and answered with {"ok":BOOLEAN,"message":TEXT}. Main thread; `ctx` is struct fr_daemon.
 */
#ifndef FR_API_ACTS_H
#define FR_API_ACTS_H

#include "admin/http_types.h"

/* POST /api/acts/reload: answered when the reload has finished, with its report. */
int fr_api_reload(void *ctx, const struct fr_http_call *call, struct fr_buffer *out);

/* POST /api/sinks/{name}/pause, …/resume, and …/rewind with the body {"seq":NUMBER}. */
int fr_api_pause(void *ctx, const struct fr_http_call *call, struct fr_buffer *out);
int fr_api_resume(void *ctx, const struct fr_http_call *call, struct fr_buffer *out);
int fr_api_rewind(void *ctx, const struct fr_http_call *call, struct fr_buffer *out);

#endif
