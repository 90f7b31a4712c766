/*
 * example.so - a whole plugin: it writes a line for each delivery to a file, as slowly as it
 * is told to. Build it with nothing but the installed header:
 *
 *   cc -shared -fPIC -o example.so example.c $(pkg-config --cflags --libs libevent_core)
 */
#include <fleetroute/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct example {
    struct fr_sink *sink;
    const struct fr_host *host;
    FILE *file;
    useconds_t delay_us;
};

static void *example_open(struct fr_sink *sink, const struct fr_host *host)
{
    struct example *e = calloc(1, sizeof *e);

    if (e == NULL)
        return NULL;
    e->sink = sink;
    e->host = host;
    e->delay_us = (useconds_t)host->number(sink, "delay") * 1000;
    e->file = fopen(host->text(sink, "path"), "a");
    if (e->file == NULL) {
        host->log(sink, FR_LOG_ERROR, "cannot write %s", host->text(sink, "path"));
        free(e);
        return NULL;
    }
    return e;
}

static void example_deliver(void *state, struct fr_delivery *const *batch, size_t count)
{
    struct example *e = state;

    for (size_t i = 0; i < count; i++) {
        usleep(e->delay_us);
        fprintf(e->file, "%s %s %.*s\n", batch[i]->vin, batch[i]->record_type,
                (int)batch[i]->txid_len, batch[i]->txid);
        e->host->done(e->sink, batch[i], fflush(e->file) == 0 ? FR_DONE : FR_RETRY);
    }
}

static void example_close(void *state)
{
    struct example *e = state;

    fclose(e->file);
    free(e);
}

static const struct fr_option example_options[] = {
    {"path", FR_OPTION_PATH, NULL, true, NULL, "the file to write"},
    {"delay", FR_OPTION_DURATION, "0", false, NULL, "how long to dawdle over each delivery"},
    {0},
};

extern const struct fr_plugin fleetroute_plugin;

const struct fr_plugin fleetroute_plugin = {
#ifdef WRONG_ABI /* for the test that such a plugin is refused */
    .abi = FLEETROUTE_PLUGIN_ABI + 1,
#else
    .abi = FLEETROUTE_PLUGIN_ABI,
#endif
    .name = "example",
    .version = "1",
    .summary = "a line for each delivery, as slowly as you like",
    .options = example_options,
    .in_flight = 256,
    .open = example_open,
    .deliver = example_deliver,
    .close = example_close,
};
