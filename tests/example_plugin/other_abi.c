/*
 * Two plugins for the test of the plugin ABI. With WRONG_ABI, the plugin has another major version
 * and is refused. Without it, the plugin has an older minor version: its struct fr_option lacks the
 * last member.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fleetroute/plugin.h"

struct older_option {
    const char *name;
    enum fr_option_type type;
    const char *default_value;
    bool required;
    const char *choices;
};

struct older_sink {
    struct fr_sink *sink;
    const struct fr_host *host;
    FILE *file;
};

static const struct older_option older_options[] = {
    {"path", FR_OPTION_PATH, NULL, true, NULL},
    {"unused", FR_OPTION_INTEGER, "7", false, NULL},
    {0},
};

static void *older_open(struct fr_sink *sink, const struct fr_host *host)
{
    struct older_sink *older = calloc(1, sizeof *older);

    if (older == NULL)
        return NULL;
    *older = (struct older_sink){sink, host, fopen(host->text(sink, "path"), "a")};
    if (older->file == NULL || host->number(sink, "unused") != 7) {
        host->config_error(sink, "path", NULL, "cannot be opened");
        free(older);
        return NULL;
    }
    host->health(sink, FR_HEALTH_UP, "open");
    return older;
}

static void older_deliver(void *state, struct fr_delivery *const *batch, size_t count)
{
    struct older_sink *older = state;

    for (size_t i = 0; i < count; i++) {
        fprintf(older->file, "%s\n", older->host->json(older->sink, batch[i], NULL));
        fflush(older->file);
        older->host->done(older->sink, batch[i], FR_DONE);
    }
}

static void older_close(void *state)
{
    struct older_sink *older = state;

    fclose(older->file);
    free(older);
}

extern const struct fr_plugin fleetroute_plugin;

const struct fr_plugin fleetroute_plugin = {
    .size = sizeof(struct fr_plugin),
#ifdef WRONG_ABI
    .abi = FLEETROUTE_PLUGIN_ABI + 0x10000,
#else
    .abi = FLEETROUTE_PLUGIN_ABI,
#endif
    .option_size = sizeof(struct older_option),
    .name = "older",
    .version = "1",
    .summary = "one line of JSON for each delivery",
    .options = (const struct fr_option *)(const void *)older_options,
    .format = FR_FORMAT_JSON,
    .open = older_open,
    .deliver = older_deliver,
    .close = older_close,
};
