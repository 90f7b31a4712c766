/* failing_source.so - a source that never starts, for tests/attack/starting.py. */
#include <stddef.h>

#include "fleetroute/plugin.h"

static void *failing_open(struct fr_source *source, const struct fr_source_host *host)
{
    host->log(source, FR_LOG_ERROR, "it fails on purpose");
    return NULL;
}

static void failing_stored(void *state, size_t count)
{
    (void)state, (void)count;
}

static void failing_close(void *state)
{
    (void)state;
}

static const struct fr_option failing_options[] = {{0}};

extern const struct fr_source_plugin fleetroute_source;

const struct fr_source_plugin fleetroute_source = {
    .abi = FLEETROUTE_PLUGIN_ABI,
    .name = "failing_source",
    .version = "1",
    .summary = "it does not start",
    .options = failing_options,
    .open = failing_open,
    .stored = failing_stored,
    .close = failing_close,
};
