/* fleetrouted(8): the command line of the daemon. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/daemon.h"
#include "util/heap.h"
#include "util/log.h"
#include "util/redact.h"

#ifndef FR_CONFIG_DIR
#define FR_CONFIG_DIR "/etc/fleetroute"
#endif

static const char help[] =
    "usage: fleetrouted [-dht] [-c FILE] [-p PIDFILE] [--redact]\n"
    "Receive vehicle telemetry over mutual TLS and route it to sinks.\n"
    "\n"
    "  -c, --config FILE   configuration file (" FR_CONFIG_DIR "/fleetroute.yaml)\n"
    "  -d, --daemon        run in the background once vehicles can connect; log to syslog\n"
    "  -p, --pidfile FILE  write the process id to FILE\n"
    "  -t, --test          check the configuration and exit\n"
    "      --redact        redact VINs and locations in the log and in `fleetroute tail`\n"
    "  -h, --help          print this help\n"
    "      --version       print the version\n"
    "\n"
    "See fleetrouted(8), fleetroute.yaml(5) and fleetroute-routing(5).\n";

struct arguments {
    const char *config;
    const char *pidfile;
    bool background;
    bool test;
    bool redact;
};

struct startup {
    const struct arguments *arguments;
    int parent_fd; /* pipe to the waiting parent process; -1: none */
};

static void main_write_pidfile(const char *path, pid_t pid)
{
    FILE *file = fopen(path, "w");

    if (file == NULL || fprintf(file, "%ld\n", (long)pid) < 0)
        fr_log(FR_LOG_ERROR, "cannot write %s: %s", path, strerror(errno));
    if (file != NULL)
        fclose(file);
}

static void main_detach(struct startup *s)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        close(null);
    }
    if (write(s->parent_fd, "", 1) < 0)
        fr_log(FR_LOG_ERROR, "cannot notify the parent process: %s", strerror(errno));
    close(s->parent_fd);
}

static void main_ready(void *ctx)
{
    struct startup *s = ctx;

    if (s->arguments->pidfile != NULL && s->parent_fd < 0)
        main_write_pidfile(s->arguments->pidfile, getpid());
    if (s->parent_fd >= 0) {
        fr_log_to_syslog("fleetrouted");
        main_detach(s);
    }
}

/* Fork; returns in the child. The parent waits until vehicles can connect and exits with the
 * outcome, which an init script reads. The parent writes the pidfile: unlike the child it is
 * still root, and the service's user must not be able to write the pidfile. */
static int main_daemonize(struct startup *s)
{
    int pipe_fds[2];
    char byte;
    pid_t child;

    if (pipe(pipe_fds) != 0 || (child = fork()) < 0) {
        fprintf(stderr, "fleetrouted: cannot run in the background: %s\n", strerror(errno));
        return -1;
    }
    if (child == 0) {
        close(pipe_fds[0]);
        s->parent_fd = pipe_fds[1];
        setsid();
        return chdir("/");
    }
    close(pipe_fds[1]);
    if (read(pipe_fds[0], &byte, 1) != 1)
        exit(EXIT_FAILURE);
    if (s->arguments->pidfile != NULL)
        main_write_pidfile(s->arguments->pidfile, child);
    exit(EXIT_SUCCESS);
}

static int main_run(const struct arguments *arguments)
{
    struct startup s = {arguments, -1};
    struct fr_setup *setup = fr_setup_load(arguments->config);
    struct fr_error error;
    int status = EXIT_FAILURE;

    fr_diagnostics_print(&setup->diagnostics, stderr);
    if (setup->diagnostics.errors != 0)
        fprintf(stderr, "fleetrouted: %zu error%s in the configuration\n",
                setup->diagnostics.errors, setup->diagnostics.errors == 1 ? "" : "s");
    else if (arguments->test)
        status = EXIT_SUCCESS;
    else {
        fr_log_set_level(setup->server->log_level);
        fr_log_set_format(setup->server->log_format);
        fr_redact_set(arguments->redact || setup->server->redact);
        if (!arguments->background || main_daemonize(&s) == 0) {
            if (fr_daemon_run(setup, main_ready, &s, &error) == 0)
                status = EXIT_SUCCESS;
            else
                fr_log(FR_LOG_ERROR, "%s", error.text);
            setup = NULL; /* fr_daemon_run() freed it */
        }
        if (arguments->pidfile != NULL)
            unlink(arguments->pidfile);
    }
    fr_setup_free(setup);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},  {"daemon", no_argument, NULL, 'd'},
        {"pidfile", required_argument, NULL, 'p'}, {"test", no_argument, NULL, 't'},
        {"redact", no_argument, NULL, 'r'},        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},       {NULL, 0, NULL, 0},
    };
    struct arguments arguments = {.config = FR_CONFIG_DIR "/fleetroute.yaml"};
    char *full;
    int option, status;

    while ((option = getopt_long(argc, argv, "c:dp:th", longs, NULL)) != -1) {
        switch (option) {
        case 'c':
            arguments.config = optarg;
            break;
        case 'd':
            arguments.background = true;
            break;
        case 'p':
            arguments.pidfile = optarg;
            break;
        case 't':
            arguments.test = true;
            break;
        case 'r':
            arguments.redact = true;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_SUCCESS;
        case 'V':
            puts("fleetrouted " PACKAGE_VERSION);
            return EXIT_SUCCESS;
        default:
            fputs("Try `fleetrouted --help`.\n", stderr);
            return EXIT_FAILURE;
        }
    }
    if (optind != argc) {
        fprintf(stderr, "fleetrouted: unexpected argument \"%s\"; try `fleetrouted --help`\n",
                argv[optind]);
        return EXIT_FAILURE;
    }
    /* A relative path would be invalid after chdir("/"). */
    full = realpath(arguments.config, NULL);
    if (full != NULL)
        arguments.config = full;
    fr_heap_set_up();
    status = main_run(&arguments);
    free(full);
    return status;
}
