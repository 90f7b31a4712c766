/*
 * The certificate that the daemon serves, which can be older than that of the file: for the `ca` of a
 * push. Main thread.
 */
#ifndef FR_TOOL_SERVED_CERTIFICATE_H
#define FR_TOOL_SERVED_CERTIFICATE_H

#include <stdint.h>

#include "fleet_api/push_plan.h"
#include "fleet_api/state.h"

/* If vehicles have another `ca` than that of the plan: get the certificate that the daemon serves
 * through the control socket, and let fr_push_ca_keep_served() change the plan. Does nothing for a plan
 * with errors. Without an answer the plan stays: a daemon that starts serves the certificate of the
 * file. */
void fr_served_certificate_keep(struct fr_push_plan *plan, const struct fr_state *state,
                                int64_t now_ms);

#endif
