/* fleetroute(1): runs the subcommand that argv[1] names. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "config/suggest.h"
#include "tool/commands.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"check", fr_cmd_check, "check the configuration and list all errors in it"},
    {"doctor", fr_cmd_doctor, "check the chain to the vehicle and to Home Assistant"},
    {"history", fr_cmd_history, "print what a vehicle sent in the last days"},
    {"journal", fr_cmd_journal, "print, check or repair the journal, or move a sink in it"},
    {"keep", fr_cmd_keep, "refresh tokens and configurations at Tesla when it is due"},
    {"key", fr_cmd_key, "make the command key, print its public half and the pairing link"},
    {"pair", fr_cmd_pair, "print what makes each vehicle accept a configuration, and wait"},
    {"push", fr_cmd_push, "push the configuration of the routes to the vehicles"},
    {"reload", fr_cmd_reload, "make the daemon read its configuration again"},
    {"replay", fr_cmd_replay, "send records from files to the daemon"},
    {"setup", fr_cmd_setup, "lead from the installed package to the first record of the car"},
    {"simulate", fr_cmd_simulate, "simulate a vehicle, or many"},
    {"status", fr_cmd_status, "print the status of the daemon"},
    {"tail", fr_cmd_tail, "print records as vehicles send them"},
    {"values", fr_cmd_values, "print the newest value of each field of a vehicle"},
    {"vehicle-config", fr_cmd_vehicle_config,
     "print the configuration that vehicles need, and its price"},
};
#define COMMANDS (sizeof commands / sizeof *commands)

static void fleetroute_help(FILE *to)
{
    fputs("usage: fleetroute COMMAND [ARGUMENTS]\n\n", to);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-15s %s\n", commands[i].name, commands[i].summary);
    fputs("\n`fleetroute COMMAND --help` describes a command; see also fleetroute(1).\n", to);
}

/* Some commands hold tokens and keys: no core file, and no file of TLS secrets, which libcurl would
 * write. The process has one thread here. */
static void fleetroute_protect_secrets(void)
{
    struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
    unsetenv("SSLKEYLOGFILE");
}

int main(int argc, char **argv)
{
    struct fr_suggestion suggestion;

    signal(SIGPIPE, SIG_IGN);
    fleetroute_protect_secrets();
    if (argc < 2) {
        fleetroute_help(stderr);
        return EXIT_FAILURE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        fleetroute_help(stdout);
        return EXIT_SUCCESS;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("fleetroute " PACKAGE_VERSION);
        return EXIT_SUCCESS;
    }
    suggestion = fr_suggest_begin(argv[1]);
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
        fr_suggest_try(&suggestion, commands[i].name);
    }
    fprintf(stderr, "fleetroute: there is no command \"%s\"", argv[1]);
    if (fr_suggest_best(&suggestion) != NULL)
        fprintf(stderr, "; did you mean \"%s\"?", fr_suggest_best(&suggestion));
    fputc('\n', stderr);
    return EXIT_FAILURE;
}
