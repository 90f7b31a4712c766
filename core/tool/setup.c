#include "tool/setup.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet_api/tokens.h"
#include "privsep/privileges.h"
#include "tool/qr_code.h"
#include "tool/setup_terminal.h"
#include "util/atomic_file.h"
#include "util/clock.h"
#include "util/files.h"
#include "util/memory.h"

/* The first polls come quickly; Tesla bills each request. */
#define WAIT_STEP_MS 500
#define WAIT_STEP_MAX_MS 15000

enum fr_setup_result fr_setup_note(enum fr_setup_result result, struct fr_error *note,
                                   const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(note->text, sizeof note->text, format, ap);
    va_end(ap);
    return result;
}

/* ---- the configuration ------------------------------------------------------------ */

void fr_setup_forget_api(struct fr_setup_env *env)
{
    fr_api_free(env->api);
    env->api = NULL;
}

void fr_setup_reload(struct fr_setup_env *env)
{
    struct fr_diagnostics diagnostics = {0};

    fr_setup_forget_api(env);
    fr_server_config_unref(env->config);
    env->config = NULL;
    if (access(env->path, F_OK) == 0)
        env->config = fr_server_config_load(env->path, &diagnostics);
    env->config_errors = diagnostics.errors;
    fr_diagnostics_free(&diagnostics);
}

const char *fr_setup_domain(const struct fr_setup_env *env)
{
    return env->config != NULL && env->config->tesla.domain != NULL ? env->config->tesla.domain
                                                                    : "";
}

const char *fr_setup_hostname(const struct fr_setup_env *env)
{
    return env->config != NULL && env->config->tesla.hostname != NULL ? env->config->tesla.hostname
                                                                      : fr_setup_domain(env);
}

char *fr_setup_path(const struct fr_setup_env *env, const char *name)
{
    char *folder = fr_path_folder(env->path);
    char *path = fr_asprintf("%s/%s", folder, name);

    free(folder);
    return path;
}

/* ---- units ------------------------------------------------------------------------ */

bool fr_setup_has_units(const struct fr_setup_env *env)
{
    return env->is_packaged && access("/run/systemd/system", F_OK) == 0;
}

int fr_setup_check_visible(const struct fr_setup_env *env, const char *path, const char *mode,
                           struct fr_error *error)
{
    /* ProtectHome= and PrivateTmp= of fleetroute.service and fleetroute-keep.service. */
    static const char *const hidden[] = {"/root/", "/home/", "/run/user/", "/tmp/", "/var/tmp/"};
    char *real = fr_setup_has_units(env) ? realpath(path, NULL) : NULL;
    int status = 0;

    for (size_t i = 0; real != NULL && status == 0 && i < sizeof hidden / sizeof *hidden; i++)
        if (strncmp(real, hidden[i], strlen(hidden[i])) == 0)
            status = fr_error_set(error,
                                  "%s: the services cannot read files in %s; copy it (install -m "
                                  "%s %s " FR_CONFIG_DIR "/tls/), and name the copy",
                                  path, hidden[i], mode, path);
    free(real);
    return status;
}

/* ---- secrets ---------------------------------------------------------------------- */

int fr_setup_write_secret(struct fr_setup_env *env, const char *path, const char *secret,
                          bool for_daemon, struct fr_error *error)
{
    const char *name = env->config != NULL ? env->config->user : NULL;
    struct fr_atomic_file file = {path, 0600, NULL, true};
    char *folder = fr_path_folder(path);
    struct fr_file_owner owner;
    struct fr_user user;
    char *line;
    int status = fr_make_folders(folder, error);

    free(folder);
    if (status == 0 && for_daemon && geteuid() == 0 && name != NULL) {
        status = fr_user_find(name, &user, error);
        owner = (struct fr_file_owner){user.uid, user.gid};
        file.owner = &owner;
    }
    if (status != 0)
        return -1;
    line = fr_asprintf("%s\n", secret);
    status = fr_atomic_file_write(&file, line, strlen(line), error);
    OPENSSL_cleanse(line, strlen(line));
    free(line);
    return status;
}

/* ---- the API ---------------------------------------------------------------------- */

struct fr_api *fr_setup_api(struct fr_setup_env *env, struct fr_error *error)
{
    struct fr_api_error cause;

    if (env->api == NULL) {
        env->api = fr_api_new(&env->config->tesla, fr_setup_domain(env), false, &cause);
        if (env->api == NULL)
            *error = cause.error;
    }
    return env->api;
}

/* ---- output and waiting ----------------------------------------------------------- */

void fr_setup_print_link(const char *link)
{
    int width = fr_qr_code_width(link);

    /* The code can be higher than the screen: the link stays visible below it. */
    putchar('\n');
    if (isatty(STDOUT_FILENO) && width > 0 && width <= fr_setup_terminal_width())
        fr_qr_code_draw(stdout, link, true);
    printf("    %s\n\n", link);
    fflush(stdout);
}

int fr_setup_wait(struct fr_setup_env *env, const char *what,
                  int (*done)(struct fr_setup_env *env, void *ctx, struct fr_error *error),
                  void *ctx, struct fr_error *error)
{
    int64_t end = fr_monotonic_ms() + env->wait_ms;
    int64_t step = WAIT_STEP_MS;

    for (;;) {
        int status = done(env, ctx, error);
        int64_t left = end - fr_monotonic_ms();

        if (status != 0)
            return status > 0 ? 0 : -1;
        if (left <= 0)
            return fr_error_set(error,
                                "%s: not within %lld s; run `fleetroute setup` again, which "
                                "continues here",
                                what, (long long)(env->wait_ms / 1000));
        fflush(stdout);
        usleep((useconds_t)(1000 * (step < left ? step : left)));
        step = step * 3 / 2 < WAIT_STEP_MAX_MS ? step * 3 / 2 : WAIT_STEP_MAX_MS;
    }
}
