/*
 * api_overview.h - GET /api/overview: the health of the daemon in one sentence, and rates, connections,
 * delays and sinks of the last hour. Main thread.
 */
#ifndef FR_API_OVERVIEW_H
#define FR_API_OVERVIEW_H

#include "admin/http_types.h"
#include "util/error.h"

struct fr_daemon;

/* Sample the daemon every FR_ACTIVITY_STEP_MS from now on. Returns 0, or -1 with `error` set. */
int fr_overview_start(struct fr_daemon *d, struct fr_error *error);

/* End the samples and free them. No error if they were not started. */
void fr_overview_free(struct fr_daemon *d);

/* The endpoint; ?minutes=N, 1 to 60. */
int fr_api_overview(void *daemon, const struct fr_http_call *call, struct fr_buffer *out);

#endif
