#include "sink/wakeup.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "sink/sink_state.h"
#include "util/log.h"

void fr_sink_wake(struct fr_sink *sink, bool force)
{
    uint64_t one = 1;

    if (sink->thread.wake_fd < 0)
        return;
    if ((!atomic_exchange(&sink->thread.wake_pending, true) || force) &&
        write(sink->thread.wake_fd, &one, sizeof one) < 0)
        fr_log(FR_LOG_ERROR, "sink %s: cannot wake the thread: %s", sink->settings.name,
               strerror(errno));
}

void fr_sink_schedule_after(struct fr_sink *sink)
{
    if (sink->thread.after_pending)
        return;
    sink->thread.after_pending = true;
    event_active(sink->thread.after_event, EV_TIMEOUT, 1);
}
