/* fleetroute(1): the owner's tool. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/suggest.h"
#include "tool/commands.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"check", fr_cmd_check, "check the configuration and say all that is wrong with it"},
    {"journal", fr_cmd_journal, "show the journal, move a sink in it, write it out"},
    {"reload", fr_cmd_reload, "let the daemon follow its changed configuration"},
    {"replay", fr_cmd_replay, "send records from files to the daemon"},
    {"simulate", fr_cmd_simulate, "be a vehicle, or many"},
    {"status", fr_cmd_status, "show how the daemon is"},
    {"tail", fr_cmd_tail, "show what vehicles send, as it comes in"},
    {"values", fr_cmd_values, "show the newest value of each field of a vehicle"},
};
#define COMMANDS (sizeof commands / sizeof *commands)

static void help(FILE *to)
{
    fputs("usage: fleetroute COMMAND [ARGUMENTS]\n\n", to);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fputs("\n`fleetroute COMMAND --help` says more; so does fleetroute(1).\n", to);
}

int main(int argc, char **argv)
{
    struct fr_suggestion suggestion;

    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        help(stderr);
        return EXIT_FAILURE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        help(stdout);
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
