/*
 * Ways to run the sink's thread: a wake-up from any thread, and the after-event.
 *
 * The after-event runs once after the present event of the sink's thread. In it the thread
 * completes the work that the plugin's outcomes caused: acknowledgements, dead letters, retries and
 * new records. This work cannot run inside fr_host.done(), because the plugin may report an outcome
 * from within deliver().
 */
#ifndef FR_WAKEUP_H
#define FR_WAKEUP_H

#include <stdbool.h>

struct fr_sink;

/* Wake the sink's thread. Nothing is done before the thread is prepared. Wake-ups that follow each
 * other before the thread reads its input are combined, unless `force` is true: requests need
 * `force`. Any thread. */
void fr_sink_wake(struct fr_sink *sink, bool force);

/* Schedule the after-event. The sink's thread. */
void fr_sink_schedule_after(struct fr_sink *sink);

#endif
