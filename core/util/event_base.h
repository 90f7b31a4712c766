/* libevent event bases for the threads that run plugins. */
#ifndef FR_EVENT_BASE_H
#define FR_EVENT_BASE_H

#include <event2/event.h>

/* Returns a new event base that polls descriptors and timers after at most 16 callbacks, even if an
 * event activates itself repeatedly. The caller frees the base with event_base_free(). Returns NULL
 * if memory is exhausted. */
struct event_base *fr_event_base_new(void);

#endif
