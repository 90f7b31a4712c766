#include "tool/setup_daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fleet_api/clean_text.h"
#include "fleet_api/command_key.h"
#include "fleet_api/http_client.h"
#include "fleet_api/public_key.h"
#include "tool/command_key_file.h"
#include "tool/control_client.h"
#include "tool/setup_files.h"
#include "util/memory.h"
#include "util/no_passphrase.h"

#define INIT_SCRIPT "/etc/init.d/fleetroute"

extern char **environ;

/* ---- control socket ------------------------------------------------------------------ */

json_t *fr_setup_ask_daemon(struct fr_setup_env *env, const char *request, struct fr_error *error)
{
    FILE *stream = fr_control_request(env->config->control, request, error);
    char cleaned[400];
    const char *reason;
    json_t *reply;

    if (stream == NULL)
        return NULL;
    reply = json_loadf(stream, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, NULL);
    fclose(stream);
    reason = json_string_value(json_object_get(reply, "error"));
    if (reply != NULL && reason == NULL)
        return reply;
    if (reason == NULL)
        reason = "no complete reply; see its log";
    fr_clean_text(cleaned, sizeof cleaned, reason, strlen(reason));
    fr_error_set(error, "the daemon: %s", cleaned);
    json_decref(reply);
    return NULL;
}

static bool daemon_runs(struct fr_setup_env *env)
{
    struct fr_error error;
    json_t *status = fr_setup_ask_daemon(env, "status", &error);

    json_decref(status);
    return status != NULL;
}

/* ---- the public key ------------------------------------------------------------------- */

static EVP_PKEY *daemon_parse_key(const struct fr_http_response *response)
{
    BIO *bio = BIO_new_mem_buf(response->body, (int)response->len);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PUBKEY(bio, NULL, fr_no_passphrase, NULL) : NULL;

    BIO_free(bio);
    ERR_clear_error();
    return key;
}

static enum fr_setup_result daemon_compare_key(struct fr_setup_env *env, const char *url,
                                               const struct fr_http_response *response,
                                               struct fr_error *note)
{
    struct fr_file_owner owner;
    EVP_PKEY *own = NULL, *served = response->status == 200 ? daemon_parse_key(response) : NULL;
    enum fr_setup_result outcome = FR_SETUP_TODO;

    fr_command_key_read(env->config->tesla.key, fr_command_key_owner(env->config, &owner), &own,
                        note);
    if (response->status != 200)
        fr_setup_note(
            outcome, note,
            "%s answers with status %d; fleetrouted serves the key when the port that the "
            "name reaches is its own, else write the file for the web server there with "
            "`fleetroute key --write FOLDER`",
            url, response->status);
    else if (served == NULL)
        fr_setup_note(outcome, note, "%s is not a public key in PEM; serve the file alone", url);
    else if (own == NULL || EVP_PKEY_eq(own, served) != 1)
        fr_setup_note(outcome, note,
                      "%s is another key than the command key; write the present one with "
                      "`fleetroute key --write FOLDER`",
                      url);
    else
        outcome =
            fr_setup_note(FR_SETUP_DONE, note, "fleetrouted runs, and %s is the public key", url);
    EVP_PKEY_free(own);
    EVP_PKEY_free(served);
    return outcome;
}

static void daemon_warn(struct fr_setup_env *env, const char *url, const struct fr_error *cause)
{
    if (env->has_warned)
        return;
    env->has_warned = true;
    printf("warning: %s cannot be fetched from here: %s\n"
           "  Open the link on a phone without Wi-Fi: it must display a public key. Tesla's "
           "fetch at the registration decides.\n",
           url, cause->text);
    if (env->config->tesla.ca != NULL)
        puts(
            "  The certificate is of a private CA, which only the car accepts. Tesla fetches the "
            "key\n"
            "  with public CAs: let a web server with a certificate of such a CA serve it at this\n"
            "  link (`fleetroute key --write FOLDER`).");
}

/* Fetch the key under its public name, as Tesla does. Many home routers do not lead a connection from
 * inside to the public address back inside: then Tesla's own fetch, at the registration, decides. */
static enum fr_setup_result daemon_check_key(struct fr_setup_env *env, struct fr_error *note)
{
    char *url = fr_asprintf("https://%s/" FR_PUBLIC_KEY_PATH, fr_setup_domain(env));
    struct fr_http_client *client = fr_http_client_new(env->config->tesla.api_ca, note);
    const struct fr_http_request request = {.method = "GET", .url = url};
    enum fr_setup_result outcome = FR_SETUP_TODO;
    struct fr_http_response response;
    struct fr_error cause;

    if (client != NULL && fr_http_request(client, &request, &response, &cause) == 0) {
        outcome = daemon_compare_key(env, url, &response, note);
        fr_http_response_free(&response);
    } else if (client != NULL) {
        daemon_warn(env, url, &cause);
        outcome = fr_setup_note(FR_SETUP_DONE, note, "fleetrouted runs; the key was not fetched");
    }
    fr_http_client_free(client);
    free(url);
    return outcome;
}

static enum fr_setup_result daemon_check(struct fr_setup_env *env, struct fr_error *note)
{
    if (!daemon_runs(env))
        return fr_setup_note(FR_SETUP_TODO, note, "fleetrouted does not run (%s)",
                             env->config->control);
    return daemon_check_key(env, note);
}

/* ---- start ----------------------------------------------------------------------------- */

/* Run a program and wait for it. Returns 0, or -1 with `error` set. */
static int daemon_execute(const char *const *words, struct fr_error *error)
{
    pid_t child;
    int status = 0, code;

    printf("Running: ");
    for (size_t i = 0; words[i] != NULL; i++)
        printf("%s%s", words[i], words[i + 1] != NULL ? " " : "\n");
    fflush(stdout);
    code = posix_spawnp(&child, words[0], NULL, NULL, (char *const *)(uintptr_t)words, environ);
    if (code != 0)
        return fr_error_set(error, "cannot run %s: %s", words[0], strerror(code));
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return fr_error_set(error, "%s failed; its messages are above", words[0]);
}

int fr_setup_run_systemctl(const char *const *words, const char *unit, struct fr_error *error)
{
    struct fr_error ignored;

    if (daemon_execute(words, error) == 0)
        return 0;
    /* The messages of a unit are in the log only. */
    if (daemon_execute((const char *const[]){"journalctl", "--no-pager", "-o", "cat", "-n", "12",
                                             "-u", unit, NULL},
                       &ignored) != 0)
        printf("%s\n", ignored.text);
    return fr_error_set(error, "%s did not start; correct what its log above names", unit);
}

/* fleetrouted of the same installation: beside this program, in ../sbin, or on the PATH. */
static char *daemon_program(void)
{
    char self[4096];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash, *found;

    self[len > 0 ? len : 0] = '\0';
    slash = strrchr(self, '/');
    if (slash == NULL)
        return fr_strdup("fleetrouted");
    *slash = '\0';
    found = fr_asprintf("%s/fleetrouted", self);
    if (access(found, X_OK) != 0) {
        free(found);
        found = fr_asprintf("%s/../sbin/fleetrouted", self);
    }
    if (access(found, X_OK) != 0) {
        free(found);
        found = fr_strdup("fleetrouted");
    }
    return found;
}

static int daemon_start(struct fr_setup_env *env, struct fr_error *error)
{
    char *program;
    int status;

    if (fr_setup_has_units(env))
        return fr_setup_run_systemctl(
            (const char *const[]){"systemctl", "enable", "--now", "fleetroute", NULL}, "fleetroute",
            error);
    if (env->is_packaged && access(INIT_SCRIPT, X_OK) == 0)
        return daemon_execute((const char *const[]){INIT_SCRIPT, "start", NULL}, error);
    program = daemon_program();
    status = daemon_execute((const char *const[]){program, "-d", "-c", env->path, NULL}, error);
    free(program);
    return status;
}

static int daemon_is_up(struct fr_setup_env *env, void *ctx, struct fr_error *error)
{
    (void)error;
    return daemon_runs(env) == *(const bool *)ctx;
}

/* Wait until the daemon answers, or until it does not. */
static int daemon_wait(struct fr_setup_env *env, bool up, struct fr_error *error)
{
    return fr_setup_wait(env, up ? "the start of the daemon" : "the end of the daemon",
                         daemon_is_up, &up, error);
}

/* The process that listens on the control socket; -1: unknown. */
static pid_t daemon_pid(struct fr_setup_env *env)
{
    struct ucred peer = {.pid = -1};
    socklen_t size = sizeof peer;
    struct fr_error error;
    FILE *stream = fr_control_request(env->config->control, "status", &error);

    if (stream == NULL)
        return -1;
    if (getsockopt(fileno(stream), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid <= 1)
        peer.pid = -1;
    fclose(stream);
    return peer.pid;
}

static int daemon_restart(struct fr_setup_env *env, struct fr_error *error)
{
    pid_t pid;

    if (fr_setup_has_units(env))
        return fr_setup_run_systemctl(
            (const char *const[]){"systemctl", "restart", "fleetroute", NULL}, "fleetroute", error);
    if (env->is_packaged && access(INIT_SCRIPT, X_OK) == 0)
        return daemon_execute((const char *const[]){INIT_SCRIPT, "restart", NULL}, error);
    pid = daemon_pid(env);
    if (pid < 0 || kill(pid, SIGTERM) != 0)
        return fr_error_set(error, "fleetrouted needs a restart; restart it, and run `fleetroute "
                                   "setup` again");
    return daemon_wait(env, false, error) == 0 ? daemon_start(env, error) : -1;
}

/* The report comes from the daemon, which has fewer rights than this program. */
static int daemon_refusal(const char *report, struct fr_error *error)
{
    char cleaned[700];

    fr_clean_text(cleaned, sizeof cleaned, report, strlen(report));
    return fr_error_set(error, "the daemon does not take the configuration: %s",
                        cleaned[0] != '\0' ? cleaned : "see its log");
}

int fr_setup_reload_daemon(struct fr_setup_env *env, struct fr_error *error)
{
    json_t *reply;
    const char *report;
    int status = 0;

    if (!daemon_runs(env))
        return 0;
    reply = fr_setup_ask_daemon(env, "reload", error);
    if (reply == NULL)
        return -1;
    report = json_string_value(json_object_get(reply, "report"));
    if (report == NULL)
        report = "";
    if (!json_is_true(json_object_get(reply, "complete")))
        status = daemon_refusal(report, error);
    else if (strstr(report, "needs a restart") != NULL)
        /* For example a folder that the sandbox of the running daemon does not permit. */
        status = daemon_restart(env, error) == 0 ? daemon_wait(env, true, error) : -1;
    json_decref(reply);
    return status;
}

/* The daemon needs a routing file; the vehicles and the routes follow in later steps. */
static int daemon_make_routing(struct fr_setup_env *env, struct fr_error *error)
{
    if (access(env->config->routing, F_OK) == 0)
        return 0;
    return fr_setup_set_routing(env, "vehicles", "[]", error);
}

static int daemon_run(struct fr_setup_env *env, struct fr_error *error)
{
    int yes;

    if (daemon_make_routing(env, error) != 0)
        return -1;
    if (daemon_runs(env))
        return fr_setup_reload_daemon(env, error);
    yes = fr_setup_ask_yes(env->prompt, "start", "Start fleetrouted now (yes, no)", 1, error);
    if (yes == 0)
        return fr_error_set(error, "fleetrouted does not run; start it, and run `fleetroute setup` "
                                   "again");
    if (yes < 0 || daemon_start(env, error) != 0)
        return -1;
    return daemon_wait(env, true, error);
}

const struct fr_setup_step fr_setup_step_daemon = {"daemon", "the daemon and the public key",
                                                   daemon_check, daemon_run};
