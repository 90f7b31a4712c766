/* status_json.h - the status of the daemon as JSON; fleetroute(1) describes the keys. */
#ifndef FR_STATUS_JSON_H
#define FR_STATUS_JSON_H

#include "daemon/daemon_state.h"

/* Append the status as one JSON object, without a line feed. Main thread. */
void fr_daemon_put_status(struct fr_daemon *daemon, struct fr_buffer *out);

#endif
