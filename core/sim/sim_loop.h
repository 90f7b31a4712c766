/*
 * The event loop and the buffers that the simulated vehicles of one thread share.
 */
#ifndef FR_SIM_LOOP_H
#define FR_SIM_LOOP_H

#include <event2/event.h>

struct fr_sim_loop;

/* Make a loop. The caller frees it, after the vehicles that use it. */
struct fr_sim_loop *fr_sim_loop_new(void);
void fr_sim_loop_free(struct fr_sim_loop *sim_loop);

/* The event base of the loop, which owns it. */
struct event_base *fr_sim_loop_base(struct fr_sim_loop *sim_loop);

#endif
