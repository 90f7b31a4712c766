#include "util/event_base.h"

#define CALLBACKS_MAX 16 /* run between two polls of descriptors and timers */

struct event_base *fr_event_base_new(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (config == NULL)
        return NULL;
    if (event_config_set_max_dispatch_interval(config, NULL, CALLBACKS_MAX, 0) == 0)
        base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}
