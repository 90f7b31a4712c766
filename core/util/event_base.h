/* event_base.h - event bases for the threads that run plugins. */
#ifndef FR_EVENT_BASE_H
#define FR_EVENT_BASE_H

#include <event2/event.h>

/* A base that looks at descriptors and timers after a bounded number of callbacks, although an
 * event may activate itself again. The caller frees it with event_base_free(). NULL: no memory. */
struct event_base *fr_event_base_new(void);

#endif
