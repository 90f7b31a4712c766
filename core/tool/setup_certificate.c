#include "tool/setup_certificate.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fleet_api/server_chain.h"
#include "fleet_api/vehicle_ca.h"
#include "tool/setup_files.h"
#include "util/memory.h"
#include "util/no_passphrase.h"

#define LETSENCRYPT "/etc/letsencrypt/live"

/* ---- certificate ------------------------------------------------------------------- */

static int certificate_check_key(const struct fr_server_chain *chain, const char *path,
                                 struct fr_error *error)
{
    BIO *file = BIO_new_file(path, "r");
    int code = errno;
    EVP_PKEY *key =
        file != NULL ? PEM_read_bio_PrivateKey(file, NULL, fr_no_passphrase, NULL) : NULL;
    bool matches = key != NULL && X509_check_private_key(chain->certificate, key) == 1;

    BIO_free(file);
    EVP_PKEY_free(key);
    ERR_clear_error();
    if (file == NULL)
        return fr_error_set(error, "%s: %s; run setup as root", path, strerror(code));
    if (!matches)
        return fr_error_set(error,
                            "%s is not the key of the certificate; name the files that belong "
                            "together",
                            path);
    return 0;
}

/* Check the chain and the key of fleetroute.yaml as a vehicle does. */
static int certificate_verify(const struct fr_setup_env *env, struct fr_server_chain *chain,
                              struct fr_error *error)
{
    const struct fr_server_config *config = env->config;
    const char *host = fr_setup_hostname(env);
    char *ca;

    if (!fr_server_chain_covers(chain, host))
        return fr_error_set(error, "%s is not for the name %s; get a certificate for this name",
                            config->certificate, host);
    if (certificate_check_key(chain, config->key, error) != 0 ||
        fr_setup_check_visible(env, config->certificate, "644", error) != 0 ||
        fr_setup_check_visible(env, config->key, "600", error) != 0 ||
        (config->tesla.ca != NULL &&
         fr_setup_check_visible(env, config->tesla.ca, "644", error) != 0))
        return -1;
    ca = fr_vehicle_ca_make(chain, config->tesla.ca, host, error);
    free(ca);
    return ca != NULL ? 0 : -1;
}

static enum fr_setup_result certificate_check(struct fr_setup_env *env, struct fr_error *note)
{
    const struct fr_server_config *config = env->config;
    enum fr_setup_result outcome = FR_SETUP_TODO;
    struct fr_server_chain chain;
    struct tm until = {0};
    char day[32] = "";

    if (config->certificate == NULL || config->key == NULL)
        return fr_setup_note(FR_SETUP_TODO, note, "no certificate is set");
    if (fr_server_chain_load(&chain, config->certificate, note) != 0)
        return FR_SETUP_TODO;
    if (certificate_verify(env, &chain, note) == 0) {
        if (ASN1_TIME_to_tm(X509_get0_notAfter(chain.certificate), &until))
            strftime(day, sizeof day, "%Y-%m-%d", &until);
        outcome = fr_setup_note(FR_SETUP_DONE, note, "%s, for %s, valid until %s",
                                config->certificate, fr_setup_hostname(env), day);
    }
    fr_server_chain_free(&chain);
    return outcome;
}

static int certificate_valid_file(char *answer, void *ctx, struct fr_error *error)
{
    if (access(answer, R_OK) != 0)
        return fr_error_set(error, "%s: %s", answer, strerror(errno));
    return fr_setup_check_visible(ctx, answer, "644", error);
}

static int certificate_valid_key(char *answer, void *ctx, struct fr_error *error)
{
    if (access(answer, R_OK) != 0)
        return fr_error_set(error, "%s: %s", answer, strerror(errno));
    return fr_setup_check_visible(ctx, answer, "600", error);
}

/* The root of a private CA, or nothing. */
static int certificate_valid_root(char *answer, void *ctx, struct fr_error *error)
{
    return answer[0] == '\0' ? 0 : certificate_valid_file(answer, ctx, error);
}

/* Ask for the path of a file that exists; relative to the folder of fleetroute.yaml or absolute. */
static char *certificate_ask(struct fr_setup_env *env, const char *key, const char *text,
                             const char *known, fr_setup_valid *valid, struct fr_error *error)
{
    bool exists = known != NULL && access(known, R_OK) == 0;
    struct fr_setup_question question = {key, text, exists ? known : NULL, false, valid, env};
    char *answer = fr_setup_ask(env->prompt, &question, error);
    char *path = answer != NULL ? realpath(answer, NULL) : NULL;

    /* Keep /etc/letsencrypt/live/…, a symbolic link that follows renewals. */
    if (path != NULL && answer[0] == '/') {
        free(path);
        return answer;
    }
    if (answer != NULL && path == NULL)
        fr_error_set(error, "%s: %s", answer, strerror(errno));
    free(answer);
    return path;
}

static void certificate_explain(const char *host)
{
    printf(
        "A certificate for %s is needed. Let's Encrypt issues one: run this in another\n"
        "terminal, while port 80 of the name reaches this machine:\n\n"
        "    apt install certbot\n"
        "    certbot certonly --standalone --key-type ecdsa -d %s\n\n"
        "The package's hook /etc/letsencrypt/renewal-hooks/deploy/fleetroute reloads the daemon\n"
        "after each renewal.\n",
        host, host);
}

/* A private CA is a decision of the owner: the vehicle must get its root. */
static int certificate_ask_root(struct fr_setup_env *env, struct fr_error *error)
{
    struct fr_setup_question question = {
        "ca",
        "If the CA is your own: file of its root certificate (empty: it is not)",
        env->config->tesla.ca != NULL ? env->config->tesla.ca : "",
        false,
        certificate_valid_root,
        env};
    char *root, *path;
    struct fr_error note;
    int status;

    if (certificate_check(env, &note) == FR_SETUP_DONE)
        return 0;
    printf("%s\n", note.text);
    root = fr_setup_ask(env->prompt, &question, error);
    if (root == NULL)
        return -1;
    path = root[0] != '\0' ? realpath(root, NULL) : NULL;
    if (root[0] != '\0' && path == NULL)
        status = fr_error_set(error, "%s: %s", root, strerror(errno));
    else
        status = fr_setup_put(env, "tesla", "ca", path, error);
    free(path);
    free(root);
    return status;
}

static int certificate_run(struct fr_setup_env *env, struct fr_error *error)
{
    const char *host = fr_setup_hostname(env);
    const struct fr_server_config *config = env->config;
    char *issued = fr_asprintf(LETSENCRYPT "/%s/fullchain.pem", host);
    char *issued_key = fr_asprintf(LETSENCRYPT "/%s/privkey.pem", host);
    bool is_issued = access(issued, R_OK) == 0;
    bool is_set = config->certificate != NULL && access(config->certificate, R_OK) == 0;
    char *certificate, *key = NULL;
    int status = -1;

    if (!is_issued && !is_set)
        certificate_explain(host);
    certificate = certificate_ask(env, "certificate", "File of the certificate with its chain",
                                  is_issued || !is_set ? issued : config->certificate,
                                  certificate_valid_file, error);
    if (certificate != NULL)
        key = certificate_ask(env, "key", "File of its key",
                              is_issued || !is_set ? issued_key : config->key,
                              certificate_valid_key, error);
    if (key != NULL && fr_setup_put(env, "tls", "certificate", certificate, error) == 0 &&
        fr_setup_put(env, "tls", "key", key, error) == 0)
        status = certificate_ask_root(env, error);
    free(certificate);
    free(key);
    free(issued);
    free(issued_key);
    return status;
}

const struct fr_setup_step fr_setup_step_certificate = {"certificate", "the server's certificate",
                                                        certificate_check, certificate_run};

/* ---- vehicle_ca -------------------------------------------------------------------- */

/* Number of CA certificates in a file; -1: `error` is set. */
static int vehicle_ca_count(const char *path, struct fr_error *error)
{
    BIO *file = BIO_new_file(path, "r");
    int code = errno, count = 0;
    X509 *certificate;

    while (file != NULL && count < 10000 &&
           (certificate = PEM_read_bio_X509(file, NULL, fr_no_passphrase, NULL)) != NULL) {
        count += X509_check_ca(certificate) > 0;
        X509_free(certificate);
    }
    BIO_free(file);
    ERR_clear_error();
    if (file == NULL)
        return fr_error_set(error, "%s: %s", path, strerror(code));
    if (count == 0)
        return fr_error_set(error, "%s has no CA certificate in PEM; download it again", path);
    return count;
}

static enum fr_setup_result vehicle_ca_check(struct fr_setup_env *env, struct fr_error *note)
{
    const char *path = env->config->vehicle_ca;
    int count;

    if (path == NULL)
        return fr_setup_note(FR_SETUP_TODO, note, "no CAs of vehicles are set");
    count = vehicle_ca_count(path, note);
    if (count < 0 || fr_setup_check_visible(env, path, "644", note) != 0)
        return FR_SETUP_TODO;
    return fr_setup_note(FR_SETUP_DONE, note, "%s has %d CA%s", path, count, count == 1 ? "" : "s");
}

static int vehicle_ca_valid(char *answer, void *ctx, struct fr_error *error)
{
    if (vehicle_ca_count(answer, error) < 0)
        return -1;
    return fr_setup_check_visible(ctx, answer, "644", error);
}

static int vehicle_ca_run(struct fr_setup_env *env, struct fr_error *error)
{
    char *usual = fr_setup_path(env, "tls/vehicle-ca.pem"), *answer, *path = NULL;
    struct fr_setup_question question = {"vehicle_ca", "File of Tesla's CAs", usual,
                                         false,        vehicle_ca_valid,      env};
    int status = -1;

    if (access(usual, R_OK) != 0)
        printf("Tesla publishes the CAs that sign vehicles' certificates. Run this in another\n"
               "terminal:\n\n"
               "    apt install curl\n"
               "    curl -fL --create-dirs -o %s \\\n"
               "      https://raw.githubusercontent.com/teslamotors/fleet-telemetry/main/config/"
               "files/prod_ca.crt\n\n",
               usual);
    answer = fr_setup_ask(env->prompt, &question, error);
    if (answer != NULL && (path = realpath(answer, NULL)) == NULL)
        fr_error_set(error, "%s: %s", answer, strerror(errno));
    if (path != NULL)
        status = fr_setup_put(env, "tls", "vehicle_ca", path, error);
    free(answer);
    free(path);
    free(usual);
    return status;
}

const struct fr_setup_step fr_setup_step_vehicle_ca = {"vehicle_ca", "the CAs of vehicles",
                                                       vehicle_ca_check, vehicle_ca_run};
