/*
 * fault.so - a sink plugin that misbehaves as its options say. Tests use it to make deliveries
 * fail, stall or run slowly. It appends each record that it accepts to a file, as one line of JSON.
 */
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

struct fault_sink {
    struct fr_sink *sink;
    const struct fr_host *host;
    FILE *file;
    const char *refuse, *fail, *fail_until, *retry_while; /* options; NULL: not set */
    bool no_answer;
    useconds_t delay_us; /* before each delivery */
};

/* Try what a compromised plugin would try, and log the error code of each attempt. */
static void fault_try_forbidden(struct fault_sink *fault, const char *path)
{
    static char *const empty[] = {NULL};
    int written = open(path, O_WRONLY | O_CREAT, 0600) < 0 ? errno : 0;
    pid_t child;
    int started = posix_spawn(&child, "/bin/true", NULL, NULL, empty, empty);
    int other = personality(0xffffffff) < 0 ? errno : 0; /* only queries the personality */
    int namespaced = unshare(CLONE_NEWUSER) < 0 ? errno : 0;

    fault->host->log(
        fault->sink, FR_LOG_NOTICE,
        "forbidden actions: write %s, start a program %s, personality %s, namespace %s",
        strerrorname_np(written), strerrorname_np(started), strerrorname_np(other),
        strerrorname_np(namespaced));
}

static void *fault_open(struct fr_sink *sink, const struct fr_host *host)
{
    struct fault_sink *fault = calloc(1, sizeof *fault);

    if (fault == NULL)
        return NULL;
    fault->sink = sink;
    fault->host = host;
    fault->refuse = host->text(sink, "refuse");
    fault->fail = host->text(sink, "fail");
    fault->fail_until = host->text(sink, "fail_until");
    fault->retry_while = host->text(sink, "retry_while");
    fault->no_answer = host->number(sink, "no_answer");
    fault->delay_us = (useconds_t)host->number(sink, "delay") * 1000;
    fault->file = fopen(host->text(sink, "path"), "a");
    if (host->text(sink, "write_outside") != NULL)
        fault_try_forbidden(fault, host->text(sink, "write_outside"));
    return fault;
}

static void fault_deliver(void *state, struct fr_delivery *const *batch, size_t count)
{
    struct fault_sink *fault = state;

    for (size_t i = 0; i < count; i++) {
        struct fr_delivery *d = batch[i];

        if (fault->no_answer)
            continue;
        usleep(fault->delay_us);
        if (fault->refuse != NULL && strcmp(fault->refuse, d->vin) == 0)
            fault->host->done(fault->sink, d, FR_REFUSED);
        else if (fault->fail != NULL && strcmp(fault->fail, d->record_type) == 0 &&
                 access(fault->fail_until, F_OK) != 0)
            fault->host->fail(fault->sink, d, FR_FAILED, "cannot store %s (create %s)",
                              d->record_type, fault->fail_until);
        else if (fault->retry_while != NULL && access(fault->retry_while, F_OK) == 0)
            fault->host->done(fault->sink, d, FR_RETRY);
        else {
            fprintf(fault->file, "%s\n", fault->host->json(fault->sink, d, NULL));
            fflush(fault->file);
            fault->host->done(fault->sink, d, FR_DONE);
        }
    }
}

static void fault_close(void *state)
{
    struct fault_sink *fault = state;

    fclose(fault->file);
    free(fault);
}

static const struct fr_option fault_options[] = {
    {"path", FR_OPTION_PATH, NULL, true, NULL, "file to which accepted records are appended"},
    {"refuse", FR_OPTION_TEXT, NULL, false, NULL, "VIN whose deliveries are answered FR_REFUSED"},
    {"fail", FR_OPTION_TEXT, NULL, false, NULL,
     "record type whose deliveries are answered FR_FAILED"},
    {"fail_until", FR_OPTION_TEXT, "", false, NULL,
     "`fail` has no effect while a file with this name exists"},
    {"retry_while", FR_OPTION_TEXT, NULL, false, NULL,
     "while a file with this name exists, deliveries are answered FR_RETRY"},
    {"no_answer", FR_OPTION_BOOLEAN, "false", false, NULL, "never answer a delivery"},
    {"write_outside", FR_OPTION_TEXT, NULL, false, NULL,
     "file outside the sandbox that open() tries to write"},
    {"delay", FR_OPTION_DURATION, "0", false, NULL, "time to wait before each delivery"},
    {0},
};

extern const struct fr_plugin fleetroute_plugin;

const struct fr_plugin fleetroute_plugin = {
    FR_PLUGIN_HEADER,         .name = "fault",
    .version = "1",           .summary = "misbehaviour, for tests",
    .options = fault_options, .format = FR_FORMAT_JSON,
    .open = fault_open,       .deliver = fault_deliver,
    .close = fault_close,
};
