/* failing_source.so - a source plugin whose open() always fails, for tests/attack/starting.py. */
#include <stddef.h>

#include "fleetroute/plugin.h"

static void *failing_open(struct fr_source *source, const struct fr_source_host *host)
{
    host->log(source, FR_LOG_ERROR, "open() fails: this plugin is a test");
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
    FR_SOURCE_PLUGIN_HEADER,   .name = "failing_source",   .version = "1",
    .summary = "never starts", .options = failing_options, .open = failing_open,
    .stored = failing_stored,  .close = failing_close,
};
