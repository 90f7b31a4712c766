/*
 * example.so - a complete sink plugin. It appends one line for each delivery to a file and waits
 * for the configured delay before each line. It needs only the installed header:
 *
 *   cc -shared -fPIC -o example.so example.c $(pkg-config --cflags fleetroute)
 */
#include <fleetroute/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct example_sink {
    struct fr_sink *sink;
    const struct fr_host *host;
    FILE *file;
    useconds_t delay_us;
};

static void *example_open(struct fr_sink *sink, const struct fr_host *host)
{
    struct example_sink *example = calloc(1, sizeof *example);

    if (example == NULL)
        return NULL;
    example->sink = sink;
    example->host = host;
    example->delay_us = (useconds_t)host->number(sink, "delay") * 1000;
    example->file = fopen(host->text(sink, "path"), "a");
    if (example->file == NULL) {
        host->log(sink, FR_LOG_ERROR, "cannot write %s", host->text(sink, "path"));
        free(example);
        return NULL;
    }
    return example;
}

static void example_deliver(void *state, struct fr_delivery *const *batch, size_t count)
{
    struct example_sink *example = state;

    for (size_t i = 0; i < count; i++) {
        usleep(example->delay_us);
        fprintf(example->file, "%s %s %.*s\n", batch[i]->vin, batch[i]->record_type,
                (int)batch[i]->txid_len, batch[i]->txid);
        example->host->done(example->sink, batch[i],
                            fflush(example->file) == 0 ? FR_DONE : FR_RETRY);
    }
}

static void example_close(void *state)
{
    struct example_sink *example = state;

    fclose(example->file);
    free(example);
}

static const struct fr_option example_options[] = {
    {"path", FR_OPTION_PATH, NULL, true, NULL, "file to which the lines are appended"},
    {"delay", FR_OPTION_DURATION, "0", false, NULL, "time to wait before each delivery"},
    {0},
};

extern const struct fr_plugin fleetroute_plugin;

const struct fr_plugin fleetroute_plugin = {
    FR_PLUGIN_HEADER,
    .name = "example",
    .version = "1",
    .summary = "one line for each delivery, after a delay",
    .options = example_options,
    .in_flight = 256,
    .open = example_open,
    .deliver = example_deliver,
    .close = example_close,
};
