/* reload_waiters.h - requests over HTTP that are answered when a reload has finished. Main thread. */
#ifndef FR_RELOAD_WAITERS_H
#define FR_RELOAD_WAITERS_H

#include "admin/http_types.h"
#include "daemon/daemon_state.h"

/* Whether another request can wait. */
bool fr_reload_waiters_have_capacity(const struct fr_daemon *d);

/* Let a request wait for the reload `number`. Only if there is capacity. */
void fr_reload_waiters_add(struct fr_daemon *d, uint64_t number, const struct fr_http_call *call);

/* The reload d->reload_number has finished, with d->reload_report: answer the requests that wait for
 * it. `message` is its outcome. */
void fr_reload_waiters_answer(struct fr_daemon *d, bool reloaded, const char *message);

/* The daemon stops: answer all requests that wait. */
void fr_reload_waiters_abandon(struct fr_daemon *d);

#endif
