/* odd.so - a sink with every bad manner that the tests need: it refuses a VIN for good, keeps
 * silent, or (while a file is there) takes nothing. What it takes it writes, a line each. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <fleetroute/plugin.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <unistd.h>

struct odd {
    struct fr_sink *sink;
    const struct fr_host *host;
    FILE *file;
    const char *refuse, *fail, *mended, *shut;
    bool mute;
    useconds_t dawdle_us;
};

/* What a plugin that was taken over would try; each is told in the log. */
static void trespass(struct odd *o, const char *path)
{
    static char *const nothing[] = {NULL};
    int written = open(path, O_WRONLY | O_CREAT, 0600) < 0 ? errno : 0;
    pid_t child;
    int started = posix_spawn(&child, "/bin/true", NULL, NULL, nothing, nothing);
    int other = personality(0xffffffff) < 0 ? errno : 0; /* asks only */
    int namespaced = unshare(CLONE_NEWUSER) < 0 ? errno : 0;

    o->host->log(o->sink, FR_LOG_NOTICE,
                 "trespass: write %s, start a program %s, personality %s, namespace %s",
                 strerrorname_np(written), strerrorname_np(started), strerrorname_np(other),
                 strerrorname_np(namespaced));
}

static void *odd_open(struct fr_sink *sink, const struct fr_host *host)
{
    struct odd *o = calloc(1, sizeof *o);

    if (o == NULL)
        return NULL;
    o->sink = sink;
    o->host = host;
    o->refuse = host->text(sink, "refuse");
    o->fail = host->text(sink, "fail");
    o->mended = host->text(sink, "mended");
    o->shut = host->text(sink, "shut");
    o->mute = host->number(sink, "mute");
    o->dawdle_us = (useconds_t)host->number(sink, "dawdle") * 1000;
    o->file = fopen(host->text(sink, "path"), "a");
    if (host->text(sink, "trespass") != NULL)
        trespass(o, host->text(sink, "trespass"));
    return o;
}

static void odd_deliver(void *state, struct fr_delivery *const *batch, size_t count)
{
    struct odd *o = state;

    for (size_t i = 0; i < count; i++) {
        struct fr_delivery *d = batch[i];

        if (o->mute)
            continue;
        usleep(o->dawdle_us);
        if (o->refuse != NULL && strcmp(o->refuse, d->vin) == 0)
            o->host->done(o->sink, d, FR_REFUSED);
        else if (o->fail != NULL && strcmp(o->fail, d->record_type) == 0 &&
                 access(o->mended, F_OK) != 0)
            o->host->fail(o->sink, d, FR_FAILED, "no place for %s (make %s)", d->record_type,
                          o->mended);
        else if (o->shut != NULL && access(o->shut, F_OK) == 0)
            o->host->done(o->sink, d, FR_RETRY);
        else {
            fprintf(o->file, "%s\n", o->host->json(o->sink, d, NULL));
            fflush(o->file);
            o->host->done(o->sink, d, FR_DONE);
        }
    }
}

static void odd_close(void *state)
{
    struct odd *o = state;

    fclose(o->file);
    free(o);
}

static const struct fr_option odd_options[] = {
    {"path", FR_OPTION_PATH, NULL, true, NULL, "the file to write"},
    {"refuse", FR_OPTION_TEXT, NULL, false, NULL, "a VIN whose records are refused for good"},
    {"fail", FR_OPTION_TEXT, NULL, false, NULL, "a record type whose deliveries fail"},
    {"mended", FR_OPTION_TEXT, "", false, NULL, "once this file is there they succeed"},
    {"shut", FR_OPTION_TEXT, NULL, false, NULL, "while this file is there nothing is taken"},
    {"mute", FR_OPTION_BOOLEAN, "false", false, NULL, "take everything and answer nothing"},
    {"trespass", FR_OPTION_TEXT, NULL, false, NULL, "a file to write where none may be"},
    {"dawdle", FR_OPTION_DURATION, "0", false, NULL, "how long each delivery takes"},
    {0},
};

extern const struct fr_plugin fleetroute_plugin;

const struct fr_plugin fleetroute_plugin = {
    .abi = FLEETROUTE_PLUGIN_ABI,
    .name = "odd",
    .version = "1",
    .summary = "bad manners, for tests",
    .options = odd_options,
    .format = FR_FORMAT_JSON,
    .open = odd_open,
    .deliver = odd_deliver,
    .close = odd_close,
};
