#include "sim/sim_loop.h"

#include <stdlib.h>

#include "sim/sim_loop_state.h"
#include "util/memory.h"

#define CALLBACKS_MAX 64 /* run between two looks at the timers */

/* The timers pace the load. libevent's default clock has the steps of the kernel's tick, such as
 * 4 ms. */
static struct event_base *loop_new_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (config == NULL)
        return NULL;
    if (event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) == 0 &&
        event_config_set_max_dispatch_interval(config, NULL, CALLBACKS_MAX, 0) == 0)
        base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

struct fr_sim_loop *fr_sim_loop_new(void)
{
    struct fr_sim_loop *sim_loop = fr_calloc(1, sizeof *sim_loop);

    sim_loop->base = loop_new_base();
    sim_loop->pool = fr_ws_pool_new();
    return sim_loop;
}

void fr_sim_loop_free(struct fr_sim_loop *sim_loop)
{
    fr_ws_pool_free(sim_loop->pool);
    event_base_free(sim_loop->base);
    fr_buffer_free(&sim_loop->out);
    fr_buffer_free(&sim_loop->envelope);
    fr_buffer_free(&sim_loop->frame);
    free(sim_loop);
}

struct event_base *fr_sim_loop_base(struct fr_sim_loop *sim_loop)
{
    return sim_loop->base;
}
