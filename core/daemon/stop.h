/* stop.h - drain and stop the parts of the daemon, in the reverse order of the data flow. */
#ifndef FR_STOP_H
#define FR_STOP_H

#include "daemon/daemon_state.h"

/* Stop the sources and the ingest, let the sinks deliver, then stop and free all parts and the
 * setup. Also stops a daemon that was started only in part. Blocks, for about 12 s at most unless
 * a plugin does not return. Main thread. */
void fr_daemon_stop(struct fr_daemon *daemon);

#endif
