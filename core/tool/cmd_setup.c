/* fleetroute setup: leads an owner from the installed package to the first record of the car. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/yaml_values.h"
#include "tool/command_line.h"
#include "tool/commands.h"
#include "tool/setup_steps.h"
#include "util/atomic_file.h"
#include "util/memory.h"
#include "util/redact.h"

/* Time for what an owner or a car does, in ms. */
#define WAIT_TERMINAL_MS (INT64_C(60) * 60 * 1000)
#define WAIT_ANSWERS_MS (INT64_C(10) * 60 * 1000)

static const char help[] =
    "usage: fleetroute setup [-c FILE] [--answers FILE] [--redact]\n"
    "Leads from the installed package to the first record of the car: asks, writes "
    "fleetroute.yaml\n"
    "and routing.yaml, and checks each step before the next. Run it again to continue: what is "
    "done\n"
    "is not asked again. See fleetroute-setup(7).\n"
    "\n"
    "  -c, --config FILE    the configuration (" FR_CONFIG_DIR "/fleetroute.yaml)\n"
    "  -a, --answers FILE   take the answers from this file of mode 0600, without a terminal\n"
    "      --redact         redact VINs and positions in the output\n"
    "  -h, --help           print this help and exit\n";

/* The answers of a file; fleetroute-setup(7) describes them. */
static const char *const answer_keys[] = {"account",
                                          "domain",
                                          "hostname",
                                          "port",
                                          "listen_port",
                                          "certificate",
                                          "key",
                                          "ca",
                                          "vehicle_ca",
                                          "start",
                                          "client_id",
                                          "client_secret",
                                          "region",
                                          "redirect_file",
                                          "vehicles",
                                          "sinks",
                                          "archive",
                                          "home_url",
                                          "home_ca",
                                          "home_token",
                                          "mqtt_host",
                                          "mqtt_port",
                                          "mqtt_username",
                                          "mqtt_password",
                                          "mqtt_layout",
                                          "budget",
                                          "wait",
                                          "client_secret_file",
                                          "home_token_file",
                                          "mqtt_password_file",
                                          NULL};

/* The time to wait: `wait:` of the answers. */
static int setup_read_wait(struct fr_setup_env *env, struct fr_error *error)
{
    const struct fr_yaml *wait = fr_setup_answer(env->prompt, "wait");

    env->wait_ms = fr_setup_prompt_is_terminal(env->prompt) ? WAIT_TERMINAL_MS : WAIT_ANSWERS_MS;
    if (wait != NULL &&
        (wait->kind != FR_YAML_TEXT || !fr_parse_duration(wait->text, &env->wait_ms)))
        return fr_error_set(error, "the answer `wait:` must be a duration such as 10 min");
    return 0;
}

/* The absolute path of the configuration, which need not exist, but its folder must. */
static char *setup_find_path(const char *path, struct fr_error *error)
{
    char *folder = fr_path_folder(path), *real = realpath(folder, NULL);
    const char *slash = strrchr(path, '/');
    char *found = NULL;

    if (real == NULL)
        fr_error_set(error, "there is no folder %s; make it, or name another file with -c", folder);
    else
        found = fr_asprintf("%s/%s", real, slash != NULL ? slash + 1 : path);
    free(real);
    free(folder);
    return found;
}

static int setup_run(const char *config, const char *answers, bool redact)
{
    struct fr_setup_env env = {.is_packaged =
                                   strcmp(config, FR_CONFIG_DIR "/fleetroute.yaml") == 0};
    struct fr_error error;
    char *path = setup_find_path(config, &error);
    int status = EXIT_FAILURE;

    setvbuf(stdout, NULL, _IOLBF, 0); /* also in a pipe, where a script waits for the link */
    env.path = path;
    env.prompt = path != NULL ? fr_setup_prompt_new(answers, answer_keys, &error) : NULL;
    if (env.prompt != NULL && setup_read_wait(&env, &error) == 0) {
        fr_setup_reload(&env);
        fr_redact_set(redact || (env.config != NULL && env.config->redact));
        status = fr_setup_run(&env);
    } else
        fprintf(stderr, "fleetroute setup: %s\n", error.text);
    fr_setup_forget_api(&env);
    fr_server_config_unref(env.config);
    fr_setup_prompt_free(env.prompt);
    free(path);
    return fr_flush_output("setup", status, EXIT_FAILURE);
}

int fr_cmd_setup(int argc, char **argv)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},
        {"answers", required_argument, NULL, 'a'},
        {"redact", no_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *config = FR_CONFIG_DIR "/fleetroute.yaml", *answers = NULL;
    bool redact = false;
    int option;

    while ((option = getopt_long(argc, argv, "c:a:h", longs, NULL)) != -1) {
        switch (option) {
        case 'c':
            config = optarg;
            break;
        case 'a':
            answers = optarg;
            break;
        case 'r':
            redact = true;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_SUCCESS;
        default:
            return EXIT_FAILURE;
        }
    }
    if (fr_has_argument("setup", argc, argv))
        return EXIT_FAILURE;
    return setup_run(config, answers, redact);
}
