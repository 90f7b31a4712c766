#include "sim/sim_loop.h"

#include <stdlib.h>

#include "sim/sim_loop_state.h"
#include "util/memory.h"

struct fr_sim_loop *fr_sim_loop_new(void)
{
    struct fr_sim_loop *sim_loop = fr_calloc(1, sizeof *sim_loop);

    sim_loop->base = event_base_new();
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
