/*
 * The steps of `fleetroute setup`, from the installed package to the first record of the vehicle.
 *
 * There is no counter of finished steps: each step's check() finds out from the files, the tokens, the
 * daemon and Tesla's answers whether the step is done, so that a second run skips what is true.
 * Answers are kept in fleetroute.yaml, routing.yaml and the files that they name. Main thread.
 */
#ifndef FR_TOOL_SETUP_H
#define FR_TOOL_SETUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/routing_config.h"
#include "config/server_config.h"
#include "config/yaml_edit.h"
#include "fleet_api/api.h"
#include "tool/setup_prompt.h"

struct fr_setup_env {
    const char *path; /* of fleetroute.yaml, absolute */
    bool is_packaged; /* it is the package's: the service manager starts the daemon */
    struct fr_setup_prompt *prompt;
    int64_t wait_ms;                 /* max time for what an owner or a vehicle does (`wait:`) */
    struct fr_server_config *config; /* the file as it is now; NULL: it does not exist */
    size_t config_errors;            /* in it */
    struct fr_api *api;              /* fr_setup_api(); NULL after each change of the file */
    bool account_confirmed;
    bool has_record; /* a record of a vehicle was on the screen */
    bool has_warned; /* of a public key that cannot be fetched from here */
};

enum fr_setup_result {
    FR_SETUP_DONE,   /* the note is what is true */
    FR_SETUP_TODO,   /* the note is what is missing */
    FR_SETUP_FAILED, /* the note is an error that run() cannot remedy */
};

struct fr_setup_step {
    const char *id;
    const char *title;
    /* Find out whether the step is done, and set the note. */
    enum fr_setup_result (*check)(struct fr_setup_env *env, struct fr_error *note);
    /* Do the step: ask, write, wait. Returns 0, or -1 with `error` set. check() decides whether it
     * is done. */
    int (*run)(struct fr_setup_env *env, struct fr_error *error);
};

/* ---- what steps share -------------------------------------------------------------- */

/* Set the note and return the result, for `return fr_setup_note(...)`. */
enum fr_setup_result fr_setup_note(enum fr_setup_result result, struct fr_error *note,
                                   const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Read fleetroute.yaml again, and forget the client of the API. */
void fr_setup_reload(struct fr_setup_env *env);

/* The domain and the name that vehicles dial; "" if unknown. */
const char *fr_setup_domain(const struct fr_setup_env *env);
const char *fr_setup_hostname(const struct fr_setup_env *env);

/* Write a secret, with a newline, to a file of mode 0600. It belongs to the user of this process or,
 * with `for_daemon`, to the service user, who reads it while it runs. Returns as above. */
int fr_setup_write_secret(struct fr_setup_env *env, const char *path, const char *secret,
                          bool for_daemon, struct fr_error *error);

/* A path in the folder of fleetroute.yaml. The caller frees it. */
char *fr_setup_path(const struct fr_setup_env *env, const char *name);

/* Whether systemd runs the daemon and `fleetroute keep`, by the units of the package. */
bool fr_setup_has_units(const struct fr_setup_env *env);

/* Check that the units of the package, which hide the folders of users and of temporary files, leave
 * the file visible; links are followed. `mode` ("644") is for a copy, in the remedy. Returns 0, or -1
 * with `error` set. */
int fr_setup_check_visible(const struct fr_setup_env *env, const char *path, const char *mode,
                           struct fr_error *error);

/* The client of the API, with the configuration as it is now. NULL: `error` is set. Valid until the
 * next fr_setup_reload() or fr_setup_forget_api(). */
struct fr_api *fr_setup_api(struct fr_setup_env *env, struct fr_error *error);
void fr_setup_forget_api(struct fr_setup_env *env);

/* Print a link on a line of its own, below its QR code if the terminal is wide enough. */
void fr_setup_print_link(const char *link);

/* Call done() every few seconds until it returns 1, or -1 with `error` set, or `env->wait_ms` is over,
 * which is an error with `what`. Returns 0 or -1. */
int fr_setup_wait(struct fr_setup_env *env, const char *what,
                  int (*done)(struct fr_setup_env *env, void *ctx, struct fr_error *error),
                  void *ctx, struct fr_error *error);

#endif
