#include "tool/setup_account.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet_api/command_key.h"
#include "fleet_api/oauth.h"
#include "fleet_api/public_key.h"
#include "tool/command_key_file.h"
#include "tool/setup_files.h"
#include "util/memory.h"

#define SECRET_FILE "tesla-secret"

static char *account_redirect(const struct fr_setup_env *env)
{
    const char *set = env->config->tesla.redirect_uri;

    return set != NULL ? fr_strdup(set) : fr_asprintf("https://%s/callback", fr_setup_domain(env));
}

/* ---- application ------------------------------------------------------------------- */

/* Whether Tesla takes the client id and the secret, by the grant for partners. Other failures belong
 * to later steps. */
static enum fr_setup_result application_try(struct fr_setup_env *env, struct fr_error *note)
{
    struct fr_api *api = fr_setup_api(env, note);
    struct fr_api_error cause = {.cause = FR_API_OK};

    if (api == NULL)
        return FR_SETUP_FAILED;
    free(fr_api_registered_key(api, &cause));
    *note = cause.error;
    if (cause.cause == FR_API_CLIENT)
        return FR_SETUP_TODO;
    return cause.cause == FR_API_NETWORK || cause.cause == FR_API_CLOCK ? FR_SETUP_FAILED
                                                                        : FR_SETUP_DONE;
}

static enum fr_setup_result application_check(struct fr_setup_env *env, struct fr_error *note)
{
    const struct fr_tesla_config *tesla = &env->config->tesla;
    char secret[FR_SETUP_ANSWER_SIZE];
    enum fr_setup_result outcome;
    int status;

    if (tesla->client_id == NULL || tesla->client_secret_file == NULL)
        return fr_setup_note(FR_SETUP_TODO, note, "no client id and secret are set");
    status = fr_setup_read_secret(tesla->client_secret_file, false, secret, note);
    OPENSSL_cleanse(secret, sizeof secret);
    if (status != 0)
        return FR_SETUP_TODO;
    outcome = application_try(env, note);
    if (outcome != FR_SETUP_DONE)
        return outcome;
    return fr_setup_note(FR_SETUP_DONE, note, "client id %s, secret in %s", tesla->client_id,
                         tesla->client_secret_file);
}

static void application_explain(const struct fr_setup_env *env)
{
    char *redirect = account_redirect(env);

    printf("Create an application at Tesla. Open this link, log in with your Tesla account, and\n"
           "paste these texts:\n\n"
           "    https://developer.tesla.com/dashboard\n\n"
           "    Application name     (any name that is free)\n"
           "    Description          Telemetry of my own car to my own server\n"
           "    Purpose of usage     Personal use: the data of my own car\n"
           "    OAuth grant type     Authorization Code and Machine-to-Machine\n"
           "    Allowed origin URL   https://%s\n"
           "    Allowed redirect URI %s\n"
           "    Scopes               Vehicle Information (vehicle_device_data)\n"
           "                         Vehicle Location (vehicle_location)\n\n"
           "A billing limit above the free credit needs a payment method there; the default does "
           "not.\n\n",
           fr_setup_domain(env), redirect);
    free(redirect);
}

static int application_valid_id(char *answer, void *ctx, struct fr_error *error)
{
    (void)ctx;
    if (strlen(answer) <= 128 && strpbrk(answer, " \"'\\<>`") == NULL)
        return 0;
    return fr_error_set(error, "a client id has letters, digits and hyphens; copy it again");
}

static int application_valid_secret(char *answer, void *ctx, struct fr_error *error)
{
    (void)ctx;
    for (const char *c = answer; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~')
            return fr_error_set(error, "a client secret has no spaces and no special characters; "
                                       "copy it again");
    return 0;
}

/* Store the secret first: a client id without a secret is not a finished step. */
static int application_store(struct fr_setup_env *env, const char *id, const char *secret,
                             struct fr_error *error)
{
    const char *set = env->config->tesla.client_secret_file;
    char *path = set != NULL ? fr_strdup(set) : fr_setup_path(env, SECRET_FILE);
    int status = fr_setup_write_secret(env, path, secret, false, error);

    if (status == 0 && set == NULL)
        status = fr_setup_put(env, "tesla", "client_secret_file", path, error);
    if (status == 0)
        status = fr_setup_put(env, "tesla", "client_id", id, error);
    fr_setup_forget_api(env);
    free(path);
    return status;
}

static int application_run(struct fr_setup_env *env, struct fr_error *error)
{
    struct fr_setup_question question = {"client_id", "Client ID",          NULL,
                                         false,       application_valid_id, NULL};
    char *id, *secret = NULL;
    int status = -1;

    application_explain(env);
    question.default_value = env->config->tesla.client_id;
    id = fr_setup_ask(env->prompt, &question, error);
    if (id != NULL) {
        question = (struct fr_setup_question){
            "client_secret", "Client secret", NULL, true, application_valid_secret, NULL};
        secret = fr_setup_ask(env->prompt, &question, error);
    }
    if (secret != NULL) {
        status = application_store(env, id, secret, error);
        OPENSSL_cleanse(secret, strlen(secret));
    }
    free(secret);
    free(id);
    return status;
}

const struct fr_setup_step fr_setup_step_application = {"application", "the application at Tesla",
                                                        application_check, application_run};

/* ---- registration ------------------------------------------------------------------ */

/* The point of the command key as fr_public_key_point() writes it. NULL: `error` is set. */
static char *registration_own_key(const struct fr_setup_env *env, struct fr_error *error)
{
    struct fr_file_owner owner;
    EVP_PKEY *key;
    char *point;

    if (fr_command_key_read(env->config->tesla.key, fr_command_key_owner(env->config, &owner), &key,
                            error) != FR_COMMAND_KEY_READ)
        return NULL;
    point = fr_public_key_point(key, error);
    EVP_PKEY_free(key);
    return point;
}

static const char *registration_region(struct fr_setup_env *env)
{
    static const char *const names[] = {"", "na", "eu", "cn"};

    return names[env->config->tesla.region];
}

/* A refused application is the mistake of an earlier step: ask for id and secret again. */
static enum fr_setup_result registration_explain(struct fr_setup_env *env,
                                                 const struct fr_api_error *cause,
                                                 struct fr_error *note)
{
    (void)env;
    *note = cause->error;
    switch (cause->cause) {
    case FR_API_NOT_FOUND:
    case FR_API_UNREGISTERED:
        return FR_SETUP_TODO;
    default:
        return FR_SETUP_FAILED;
    }
}

static enum fr_setup_result registration_check(struct fr_setup_env *env, struct fr_error *note)
{
    enum fr_setup_result outcome = FR_SETUP_TODO;
    struct fr_api_error cause;
    struct fr_api *api;
    char *own, *registered;

    if (env->config->tesla.region == FR_TESLA_REGION_AUTO)
        return fr_setup_note(FR_SETUP_TODO, note, "the region of the account is not known");
    api = fr_setup_api(env, note);
    own = api != NULL ? registration_own_key(env, note) : NULL;
    if (own == NULL)
        return FR_SETUP_FAILED;
    registered = fr_api_registered_key(api, &cause);
    if (registered == NULL)
        outcome = registration_explain(env, &cause, note);
    else if (strcmp(registered, own) == 0)
        outcome = fr_setup_note(FR_SETUP_DONE, note, "%s is registered at %s with this key",
                                fr_setup_domain(env), fr_api_base_url(api));
    else
        fr_setup_note(outcome, note, "Tesla has another key for %s", fr_setup_domain(env));
    free(registered);
    free(own);
    return outcome;
}

static int registration_valid_region(char *answer, void *ctx, struct fr_error *error)
{
    (void)ctx;
    if (strcmp(answer, "na") == 0 || strcmp(answer, "eu") == 0 || strcmp(answer, "cn") == 0)
        return 0;
    return fr_error_set(error, "the region is na (America, Asia and the Pacific), eu (Europe, the "
                               "Middle East and Africa) or cn (China)");
}

static int registration_ask_region(struct fr_setup_env *env, struct fr_error *error)
{
    const char *known = registration_region(env);
    struct fr_setup_question question = {"region",
                                         "Region of your Tesla account: na (America, Asia, "
                                         "Pacific), eu (Europe, Middle East, Africa), cn (China)",
                                         known[0] != '\0' ? known : NULL,
                                         false,
                                         registration_valid_region,
                                         NULL};
    char *region;
    int status = -1;

    if (known[0] != '\0')
        return 0;
    region = fr_setup_ask(env->prompt, &question, error);
    if (region != NULL)
        status = fr_setup_put(env, "tesla", "region", region, error);
    free(region);
    return status;
}

static int registration_run(struct fr_setup_env *env, struct fr_error *error)
{
    struct fr_api_error cause;
    struct fr_error note;
    struct fr_api *api;

    if (registration_ask_region(env, error) != 0)
        return -1;
    if (registration_check(env, &note) == FR_SETUP_DONE)
        return 0;
    api = fr_setup_api(env, error);
    if (api == NULL)
        return -1;
    printf("Registering %s at %s; Tesla fetches the public key.\n", fr_setup_domain(env),
           fr_api_base_url(api));
    if (fr_api_register(api, &cause) == 0)
        return 0;
    *error = cause.error;
    return -1;
}

const struct fr_setup_step fr_setup_step_registration = {
    "registration", "the registration of the domain", registration_check, registration_run};

/* ---- consent ----------------------------------------------------------------------- */

static enum fr_setup_result consent_check(struct fr_setup_env *env, struct fr_error *note)
{
    static const char *const scopes[] = {"vehicle_device_data", "vehicle_location"};
    struct fr_api *api = fr_setup_api(env, note);

    if (api == NULL)
        return FR_SETUP_FAILED;
    if (!fr_api_has_tokens(api))
        return fr_setup_note(FR_SETUP_TODO, note, "you did not grant access yet");
    for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++)
        if (fr_api_has_scope(api, scopes[i]) == 0)
            return fr_setup_note(FR_SETUP_TODO, note,
                                 "the scope %s was not granted; leave it ticked", scopes[i]);
    return fr_setup_note(FR_SETUP_DONE, note, "you granted access to the data of the vehicles");
}

/* ---- the pasted address ---- */

struct consent_wait {
    const char *path;  /* of the file with the address */
    const char *state; /* that it must have */
    char *address;     /* FR_SETUP_ANSWER_SIZE bytes */
};

/* Whether the file has the address of this link; one of an earlier link has another state. It counts
 * when it is read for the second time, so that another program can write it in pieces. */
static int consent_is_there(struct fr_setup_env *env, void *ctx, struct fr_error *error)
{
    char text[FR_SETUP_ANSWER_SIZE];
    struct consent_wait *wait = ctx;
    int status = fr_setup_read_secret(wait->path, true, text, error);

    (void)env;
    if (status == 0)
        status = strstr(text, wait->state) != NULL && strcmp(text, wait->address) == 0;
    memcpy(wait->address, text, sizeof text);
    OPENSSL_cleanse(text, sizeof text);
    return status;
}

/* Returns the address, which the caller erases and frees, or NULL with `error` set. */
static char *consent_receive(struct fr_setup_env *env, const char *state, struct fr_error *error)
{
    const struct fr_yaml *file = fr_setup_answer(env->prompt, "redirect_file");
    struct fr_setup_question question = {"redirect_file",
                                         "Address of the last page, pasted from the browser",
                                         NULL,
                                         true,
                                         NULL,
                                         NULL};
    struct consent_wait wait = {NULL, state, NULL};

    if (fr_setup_prompt_is_terminal(env->prompt))
        return fr_setup_ask(env->prompt, &question, error);
    if (file == NULL || file->kind != FR_YAML_TEXT) {
        fr_error_set(error, "the answers have no `redirect_file:`; add the path of a file to "
                            "which the address of the last page will be written");
        return NULL;
    }
    wait.path = file->text;
    wait.address = fr_calloc(1, FR_SETUP_ANSWER_SIZE);
    printf("Waiting for the address of the last page in %s.\n", wait.path);
    if (fr_setup_wait(env, "the address in redirect_file", consent_is_there, &wait, error) == 0)
        return wait.address;
    OPENSSL_cleanse(wait.address, FR_SETUP_ANSWER_SIZE);
    free(wait.address);
    return NULL;
}

static int consent_run(struct fr_setup_env *env, struct fr_error *error)
{
    struct fr_api *api = fr_setup_api(env, error);
    char *state, *link, *address;
    struct fr_api_error cause;
    int status = -1;

    if (api == NULL)
        return -1;
    state = fr_oauth_state();
    link = fr_api_authorize_link(api, state);
    puts("Open this link in a browser, log in with the Tesla account that owns the car, and leave\n"
         "all boxes ticked:");
    fr_setup_print_link(link);
    puts(
        "At the end the browser displays a page of your domain, or an error: both are right. Copy\n"
        "the whole address of that page.");
    address = consent_receive(env, state, error);
    if (address != NULL) {
        status = fr_api_authorize(api, address, state, &cause);
        if (status != 0)
            *error = cause.error;
        OPENSSL_cleanse(address, strlen(address));
        fr_setup_forget_api(env);
    }
    free(address);
    free(link);
    free(state);
    return status;
}

const struct fr_setup_step fr_setup_step_consent = {"consent", "your consent", consent_check,
                                                    consent_run};

/* ---- region ------------------------------------------------------------------------ */

/* The region that Tesla names for the account; the registration must be there too. */
static int region_ask(struct fr_setup_env *env, char region[16], struct fr_error *error)
{
    struct fr_api *api = fr_setup_api(env, error);
    struct fr_api_error cause;

    if (api == NULL)
        return -1;
    if (fr_api_region(api, region, &cause) == 0)
        return 0;
    *error = cause.error;
    return -1;
}

static enum fr_setup_result region_check(struct fr_setup_env *env, struct fr_error *note)
{
    const char *set = registration_region(env);
    char region[16];

    if (region_ask(env, region, note) != 0)
        return FR_SETUP_FAILED;
    if (strcmp(region, set) != 0)
        return fr_setup_note(FR_SETUP_TODO, note, "the account is in the region %s, not %s", region,
                             set);
    return fr_setup_note(FR_SETUP_DONE, note, "%s", region);
}

static int region_run(struct fr_setup_env *env, struct fr_error *error)
{
    struct fr_error note;
    char region[16];

    if (region_ask(env, region, error) != 0 ||
        registration_valid_region(region, NULL, error) != 0 ||
        fr_setup_put(env, "tesla", "region", region, error) != 0)
        return -1;
    if (registration_check(env, &note) == FR_SETUP_DONE)
        return 0;
    return registration_run(env, error);
}

const struct fr_setup_step fr_setup_step_region = {"region", "the region of the account",
                                                   region_check, region_run};
