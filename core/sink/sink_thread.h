/*
 * The thread of a sink: opens the plugin, runs the event loop, closes the plugin.
 *
 * Events: the eventfd (fr_sink_wake()), the intake timer, the window timer, the lane timer, the
 * retry timer, the after-event (wakeup.h), and the plugin's own events.
 */
#ifndef FR_SINK_THREAD_H
#define FR_SINK_THREAD_H

#include "util/error.h"

struct fr_sink;

/* Create the event base and the events. Main thread, before the thread starts. Returns 0; or -1
 * with `error`. */
int fr_sink_thread_prepare(struct fr_sink *sink, struct fr_error *error);

/* The start function of the thread; `sink` is a struct fr_sink. Returns NULL after
 * fr_sink_ask_stop(), or when the plugin's open() has failed. */
void *fr_sink_thread(void *sink);

/* Free the events and the event base. After the end of the thread. */
void fr_sink_thread_free(struct fr_sink *sink);

#endif
