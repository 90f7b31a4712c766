/* fleetroute keep: one run of the upkeep of tokens and telemetry configurations at Tesla. Started by a
 * timer. A run in which nothing is due makes no request. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fleet_api/keep.h"
#include "fleet_api/keep_plan.h"
#include "fleet_api/push_plan.h"
#include "fleet_api/state.h"
#include "fleet_api/tokens.h"
#include "tool/command_line.h"
#include "tool/commands.h"
#include "tool/field_counts.h"
#include "tool/fleet_job.h"
#include "tool/served_certificate.h"
#include "util/clock.h"
#include "util/memory.h"
#include "util/redact.h"

#ifndef FR_CONFIG_DIR
#define FR_CONFIG_DIR "/etc/fleetroute"
#endif

/* Another run of keep, or a push, ends in this time or does the work itself. */
#define LOCK_WAIT_MS 2000

static const char help[] =
    "usage: fleetroute keep [-c FILE]\n"
    "Keeps vehicles streaming: refreshes the tokens, and pushes the telemetry configuration again\n"
    "before it expires, after the routes or the CA of the server changed, and after Tesla removed\n"
    "it. A timer starts it regularly. Without a section `tesla:` it does nothing.\n"
    "\n"
    "  -c, --config FILE     the configuration (" FR_CONFIG_DIR "/fleetroute.yaml)\n"
    "  -h, --help            print this help and exit\n";

struct keep_command {
    struct fr_push_plan plan;
    struct fr_diagnostics diagnostics;
    char *plan_error; /* NULL: none */
    struct fr_state state;
    char failure[sizeof((struct fr_state *)0)->failure]; /* of the run before */
};

static void keep_print_error(const char *text)
{
    fprintf(stderr, "fleetroute keep: %s\n", text);
}

/* A failure that is the same as in the run before is not printed again, so that cron does not mail it
 * every 15 minutes. On a terminal each failure is printed. */
static void keep_print(void *ctx, bool failure, const char *text)
{
    struct keep_command *command = ctx;

    if (!failure)
        printf("fleetroute keep: %s\n", text);
    else if (isatty(STDERR_FILENO) || strncmp(text, command->failure, sizeof command->failure - 1))
        keep_print_error(text);
}

/* ---- the plan -------------------------------------------------------------------- */

/* Sets the first error of the plan, which becomes the failure of the state. */
static void keep_load_plan(struct keep_command *command, const char *path)
{
    const struct fr_diagnostics *d = &command->diagnostics;

    if (fr_push_plan_load(&command->plan, path, FR_PUSH_PLAN_NO_BUDGET, &command->diagnostics) == 0)
        return;
    for (size_t i = 0; command->plan_error == NULL && i < d->count; i++)
        if (d->list[i].severity == FR_SEVERITY_ERROR)
            command->plan_error = fr_asprintf("%s: %.300s", d->list[i].file, d->list[i].text);
}

/* As keep_print(): the same mistakes are printed once. */
static void keep_print_mistakes(const struct keep_command *command)
{
    if (command->plan_error != NULL &&
        (isatty(STDERR_FILENO) ||
         strncmp(command->plan_error, command->failure, sizeof command->failure - 1) != 0))
        fr_diagnostics_print(&command->diagnostics, stderr);
}

/* ---- the journal ----------------------------------------------------------------- */

/* Count the signals of the journal since the last time. LMDB writes to the lock file of a journal
 * that it reads: in a folder that is read-only for this process, the daemon could overwrite pages
 * that are being read. */
static void keep_count(struct keep_command *command, int64_t now_ms)
{
    const struct fr_server_config *server = command->plan.server;
    struct fr_field_counts counts = {0};
    struct fr_error error;
    uint64_t signals;

    if (!server->journal_on || !fr_keep_count_due(&command->state, now_ms) ||
        access(server->journal_path, F_OK) != 0)
        return;
    if (access(server->journal_path, W_OK) != 0) {
        printf("fleetroute keep: the journal %s is not counted, because its folder is read-only "
               "here; add it to ReadWritePaths= of fleetroute-keep.service\n",
               server->journal_path);
        return;
    }
    if (fr_field_counts_read(&counts, server->journal_path, command->state.counted_next, &error) ==
        0) {
        signals = counts.others;
        for (size_t i = 0; i < fr_field_count(); i++)
            signals += counts.values[i];
        /* Records from before the first run may be of other months. */
        if (command->state.counted_ms == 0)
            signals = 0;
        fr_keep_count_enter(&command->state, signals, counts.next, now_ms);
    } else {
        printf("fleetroute keep: the journal is not counted: %s\n", error.text);
    }
    fr_field_counts_free(&counts);
}

/* ---- the run --------------------------------------------------------------------- */

static void keep_read_state(struct keep_command *command)
{
    const char *folder = command->plan.server->tesla.folder;
    struct fr_error error;

    if (fr_state_read(folder, &command->state, &error) != 0) {
        keep_print_error(error.text);
        keep_print_error("the run continues with an empty state");
        fr_state_free(&command->state);
    }
    memcpy(command->failure, command->state.failure, sizeof command->failure);
}

static int keep_run_locked(struct keep_command *command)
{
    struct fr_keep_settings settings = {
        .plan = &command->plan,
        .plan_error = command->plan_error,
        .group = fr_fleet_group(command->plan.server),
        .now_ms = fr_wall_ms(),
        .report = keep_print,
        .ctx = command,
    };
    int status;

    keep_read_state(command);
    if (fr_keep_has_begun(&command->state))
        keep_count(command, settings.now_ms);
    if (command->plan_error == NULL)
        fr_served_certificate_keep(&command->plan, &command->state, settings.now_ms);
    keep_print_mistakes(command);
    if (command->state.blocked[0] == '\0')
        command->state.failure[0] = '\0'; /* it was of this computer, and is found again */
    status =
        fr_keep_run(&settings, &command->state) == FR_KEEP_FAILED ? EXIT_FAILURE : EXIT_SUCCESS;
    fr_state_free(&command->state);
    return status;
}

/* Whether another process holds the lock, after fr_tokens_lock() failed. */
static bool keep_is_locked(const char *folder)
{
    char *path = fr_asprintf("%s/lock", folder);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    bool locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;

    if (fd >= 0)
        close(fd);
    free(path);
    return locked;
}

static int keep_run(struct keep_command *command)
{
    const char *folder = command->plan.server->tesla.folder;
    struct fr_error error;
    struct stat st;
    int lock, status;

    if (stat(folder, &st) != 0 && errno == ENOENT)
        return EXIT_SUCCESS; /* `setup` has not been run */
    lock = fr_tokens_lock(folder, LOCK_WAIT_MS, &error);
    if (lock < 0 && keep_is_locked(folder)) {
        printf("fleetroute keep: nothing done: %s\n", error.text);
        return EXIT_SUCCESS;
    }
    if (lock < 0) {
        keep_print_error(error.text);
        return EXIT_FAILURE;
    }
    status = keep_run_locked(command);
    fr_tokens_unlock(lock);
    return status;
}

/* `--now SECONDS` is for tests alone: the time of this run, in s since 1970. */
static bool keep_set_now(const char *text)
{
    char *end;
    long long seconds = strtoll(text, &end, 10);

    if (*text == '\0' || *end != '\0' || seconds < 0 || seconds > INT64_C(253402300799))
        return false;
    fr_wall_shift(seconds * 1000 - fr_wall_ms());
    return true;
}

int fr_cmd_keep(int argc, char **argv)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},
        {"now", required_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *path = FR_CONFIG_DIR "/fleetroute.yaml";
    struct keep_command command = {0};
    int option, status = EXIT_SUCCESS;

    while ((option = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
        if (option == 'c') {
            path = optarg;
        } else if (option == 'h') {
            fputs(help, stdout);
            return EXIT_SUCCESS;
        } else if (option != 'n' || !keep_set_now(optarg)) {
            return EXIT_FAILURE;
        }
    }
    if (fr_has_argument("keep", argc, argv))
        return EXIT_FAILURE;
    keep_load_plan(&command, path);
    if (command.plan.server != NULL)
        fr_redact_set(command.plan.server->redact);
    if (command.plan.server == NULL) {
        fr_diagnostics_print(&command.diagnostics, stderr);
        status = EXIT_FAILURE;
    } else if (command.plan.server->tesla.present) {
        status = keep_run(&command);
    }
    free(command.plan_error);
    fr_push_plan_free(&command.plan);
    fr_diagnostics_free(&command.diagnostics);
    return status;
}
