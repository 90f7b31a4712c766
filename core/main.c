/* fleetrouted(8): the daemon's command line. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon.h"
#include "util/heap.h"
#include "util/log.h"
#include "util/redact.h"

#ifndef FR_CONFIG_DIR
#define FR_CONFIG_DIR "/etc/fleetroute"
#endif

static const char help[] =
    "usage: fleetrouted [-dht] [-c FILE] [-p PIDFILE] [--redact]\n"
    "Receives vehicles' telemetry over mutual TLS and routes it to sinks.\n"
    "\n"
    "  -c, --config FILE   configuration (" FR_CONFIG_DIR "/fleetroute.yaml)\n"
    "  -d, --daemon        go to the background once vehicles can connect; log to syslog\n"
    "  -p, --pidfile FILE  write the process id there\n"
    "  -t, --test          check the configuration and exit\n"
    "      --redact        show no VINs or places in the log and to `fleetroute tail`\n"
    "  -h, --help          show this\n"
    "      --version       show the version\n"
    "\n"
    "See fleetrouted(8), fleetroute.yaml(5) and fleetroute-routing(5).\n";

struct arguments {
    const char *config;
    const char *pidfile;
    bool background;
    bool test;
    bool redact;
};

struct start_up {
    const struct arguments *arguments;
    int tell; /* the waiting parent; -1: none */
};

static void write_pidfile(const char *path, pid_t pid)
{
    FILE *file = fopen(path, "w");

    if (file == NULL || fprintf(file, "%ld\n", (long)pid) < 0)
        fr_log(FR_LOG_ERROR, "cannot write %s: %s", path, strerror(errno));
    if (file != NULL)
        fclose(file);
}

static void detach(struct start_up *s)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        close(null);
    }
    if (write(s->tell, "", 1) < 0)
        fr_log(FR_LOG_ERROR, "cannot tell the parent process: %s", strerror(errno));
    close(s->tell);
}

static void ready(void *ctx)
{
    struct start_up *s = ctx;

    if (s->arguments->pidfile != NULL && s->tell < 0)
        write_pidfile(s->arguments->pidfile, getpid());
    if (s->tell >= 0) {
        fr_log_to_syslog("fleetrouted");
        detach(s);
    }
}

/* The parent waits until vehicles can connect, so that an init script knows the outcome; it is still
 * root then, and writes the pidfile, which a service's user must not be able to write. */
static int go_to_background(struct start_up *s)
{
    int ends[2];
    char byte;
    pid_t child;

    if (pipe(ends) != 0 || (child = fork()) < 0) {
        fprintf(stderr, "fleetrouted: cannot go to the background: %s\n", strerror(errno));
        return -1;
    }
    if (child == 0) {
        close(ends[0]);
        s->tell = ends[1];
        setsid();
        return chdir("/");
    }
    close(ends[1]);
    if (read(ends[0], &byte, 1) != 1)
        exit(EXIT_FAILURE);
    if (s->arguments->pidfile != NULL)
        write_pidfile(s->arguments->pidfile, child);
    exit(EXIT_SUCCESS);
}

static int run(const struct arguments *arguments)
{
    struct start_up s = {arguments, -1};
    struct fr_setup *setup = fr_setup_load(arguments->config);
    struct fr_error error;
    int status = EXIT_FAILURE;

    fr_diagnostics_print(&setup->diagnostics, stderr);
    if (setup->diagnostics.errors != 0)
        fprintf(stderr, "fleetrouted: %zu mistake%s in the configuration\n",
                setup->diagnostics.errors, setup->diagnostics.errors == 1 ? "" : "s");
    else if (arguments->test)
        status = EXIT_SUCCESS;
    else {
        fr_log_set_level(setup->server->log_level);
        fr_log_set_format(setup->server->log_format);
        fr_redact_set(arguments->redact || setup->server->redact);
        if (!arguments->background || go_to_background(&s) == 0) {
            if (fr_daemon_run(setup, ready, &s, &error) == 0)
                status = EXIT_SUCCESS;
            else
                fr_log(FR_LOG_ERROR, "%s", error.text);
            setup = NULL; /* it was the daemon's */
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
        fprintf(stderr, "fleetrouted: \"%s\" is not expected; try `fleetrouted --help`\n",
                argv[optind]);
        return EXIT_FAILURE;
    }
    /* A configuration named by a relative path must be found after chdir("/") too. */
    full = realpath(arguments.config, NULL);
    if (full != NULL)
        arguments.config = full;
    fr_heap_set_up();
    status = run(&arguments);
    free(full);
    return status;
}
