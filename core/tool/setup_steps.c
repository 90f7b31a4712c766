#include "tool/setup_steps.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/commands.h"
#include "tool/setup_account.h"
#include "tool/setup_certificate.h"
#include "tool/setup_daemon.h"
#include "tool/setup_local.h"
#include "tool/setup_push.h"
#include "tool/setup_record.h"
#include "tool/setup_routes.h"
#include "tool/setup_sinks.h"
#include "tool/setup_vehicles.h"
#include "util/clock.h"

static const struct fr_setup_step *const steps[] = {
    &fr_setup_step_account,     &fr_setup_step_name,         &fr_setup_step_certificate,
    &fr_setup_step_vehicle_ca,  &fr_setup_step_key,          &fr_setup_step_daemon,
    &fr_setup_step_application, &fr_setup_step_registration, &fr_setup_step_consent,
    &fr_setup_step_region,      &fr_setup_step_vehicles,     &fr_setup_step_pairing,
    &fr_setup_step_sinks,       &fr_setup_step_routes,       &fr_setup_step_cost,
    &fr_setup_step_push,        &fr_setup_step_record,       &fr_setup_step_keep,
};
#define STEPS (sizeof steps / sizeof *steps)

/* A person may correct something outside and try again; a file of answers ends here. */
static int steps_try_again(struct fr_setup_env *env, const struct fr_error *cause)
{
    struct fr_error error;

    printf("error: %s\n", cause->text);
    if (!fr_setup_prompt_is_terminal(env->prompt))
        return -1;
    if (fr_setup_pause(env->prompt, "Press Enter to try this step again, or q to end.", &error) ==
        0)
        return 0;
    printf("%s\n", error.text);
    return -1;
}

/* Run one step until its check is done. Returns 0 or -1. */
static int steps_run_one(struct fr_setup_env *env, size_t index)
{
    const struct fr_setup_step *step = steps[index];
    bool has_run = false; /* since the last failure */

    for (;;) {
        struct fr_error cause;
        enum fr_setup_result result = step->check(env, &cause);

        if (result == FR_SETUP_DONE) {
            printf("ok: %s: %s\n", step->title, cause.text);
            fflush(stdout);
            return 0;
        }
        if (result == FR_SETUP_TODO && !has_run) {
            printf("\n== %zu of %zu: %s\n%s\n\n", index + 1, STEPS, step->title, cause.text);
            fflush(stdout);
            has_run = true;
            if (step->run(env, &cause) == 0)
                continue; /* the check decides */
        }
        has_run = false;
        if (steps_try_again(env, &cause) != 0)
            return -1;
    }
}

static int steps_end(struct fr_setup_env *env, int64_t begun_ms)
{
    char name[] = "doctor", option[] = "-c", path[4096];
    char *arguments[] = {name, option, path, NULL};
    int status;

    snprintf(path, sizeof path, "%s", env->path);
    puts("\n== fleetroute doctor");
    fflush(stdout);
    optind = 0; /* getopt(3) begins again */
    status = fr_cmd_doctor(3, arguments);
    fr_setup_print_record(env);
    printf("%s: %u answers, %lld s\n",
           status < 2 ? "The car streams" : "The car streams, and doctor found a failure",
           fr_setup_prompt_count(env->prompt),
           (long long)((fr_monotonic_ms() - begun_ms + 500) / 1000));
    return status < 2 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Files that setup cannot edit are an error before the first question. */
static int steps_check_files(struct fr_setup_env *env)
{
    struct fr_error error;
    struct fr_yaml_edit *edit = fr_yaml_edit_open(env->path, &error);

    if (edit != NULL && env->config != NULL) {
        fr_yaml_edit_free(edit);
        edit = fr_yaml_edit_open(env->config->routing, &error);
    }
    fr_yaml_edit_free(edit);
    if (edit != NULL)
        return 0;
    fprintf(stderr, "fleetroute setup: %s\n", error.text);
    return -1;
}

int fr_setup_run(struct fr_setup_env *env)
{
    int64_t begun_ms = fr_monotonic_ms();

    if (steps_check_files(env) != 0)
        return EXIT_FAILURE;
    for (size_t i = 0; i < STEPS; i++)
        if (steps_run_one(env, i) != 0) {
            fflush(stdout);
            fprintf(stderr, "fleetroute setup: not finished: %s; run it again to continue\n",
                    steps[i]->title);
            return EXIT_FAILURE;
        }
    return steps_end(env, begun_ms);
}
