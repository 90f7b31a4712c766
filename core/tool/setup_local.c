#include "tool/setup_local.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fleet_api/command_key.h"
#include "fleet_api/pairing_link.h"
#include "fleet_api/public_key.h"
#include "privsep/privileges.h"
#include "tool/command_key_file.h"
#include "tool/control_client.h"
#include "tool/doctor_address.h"
#include "tool/setup_files.h"
#include "util/memory.h"
#include "util/no_passphrase.h"

#define RESOLVE_MS 5000

/* ---- account ----------------------------------------------------------------------- */

static enum fr_setup_result account_check(struct fr_setup_env *env, struct fr_error *note)
{
    const struct fr_yaml *tesla =
        env->config != NULL ? fr_yaml_get(env->config->root, "tesla") : NULL;
    /* The next step writes the domain, so that a domain in setup's own section follows a yes. */
    bool is_later = fr_yaml_get(tesla, "client_id") != NULL ||
                    (fr_yaml_get(tesla, "domain") != NULL &&
                     fr_setup_section(env, false, "tesla") == FR_YAML_SECTION_OWNED);

    if (env->account_confirmed || is_later)
        return fr_setup_note(FR_SETUP_DONE, note, "the Tesla account is ready");
    return fr_setup_note(FR_SETUP_TODO, note, "the Tesla account is not confirmed");
}

static int account_run(struct fr_setup_env *env, struct fr_error *error)
{
    int yes;

    puts("You need, before anything else:\n"
         "  - a Tesla account that owns the car (not a driver's account), with a verified mail\n"
         "    address and multi-factor authentication (https://www.tesla.com/teslaaccount)\n"
         "  - the Tesla app on a phone, logged in to this account at least once\n"
         "  - a name in the public DNS for this server, whose TCP port 443 reaches it: Tesla\n"
         "    fetches a public key there. The car can use another port.");
    yes = fr_setup_ask_yes(env->prompt, "account", "Is all of this ready (yes, no)", -1, error);
    env->account_confirmed = yes == 1;
    if (yes == 0)
        return fr_error_set(error, "the Tesla account is not ready; prepare it, and run "
                                   "`fleetroute setup` again");
    return yes < 0 ? -1 : 0;
}

const struct fr_setup_step fr_setup_step_account = {"account", "your Tesla account", account_check,
                                                    account_run};

/* ---- name -------------------------------------------------------------------------- */

static int name_valid_host(char *answer, void *ctx, struct fr_error *error)
{
    char *link;

    (void)ctx;
    link = fr_pairing_link(answer, NULL, error);
    free(link);
    return link != NULL ? 0 : -1;
}

static int name_valid_port(char *answer, void *ctx, struct fr_error *error)
{
    char *end;
    long port = strtol(answer, &end, 10);

    (void)ctx;
    if (*end == '\0' && port >= 1 && port <= 65535)
        return 0;
    return fr_error_set(error, "a port is a number from 1 to 65535");
}

/* Whether another program listens on the port: no daemon answers, and the port is not free. */
static bool name_port_is_taken(const struct fr_setup_env *env)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(env->config->port)};
    int one = 1, fd;
    struct fr_error error;
    FILE *stream = fr_control_request(env->config->control, "status", &error);
    bool is_taken;

    if (stream != NULL) {
        fclose(stream);
        return false;
    }
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    is_taken =
        bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 && errno == EADDRINUSE;
    close(fd);
    return is_taken;
}

static enum fr_setup_result name_check(struct fr_setup_env *env, struct fr_error *note)
{
    const char *host = fr_setup_hostname(env), *domain = fr_setup_domain(env);
    char text[FR_DOCTOR_ADDRESS_SIZE];
    struct fr_doctor_addresses addresses;
    struct fr_error cause;

    if (domain[0] == '\0' || fr_setup_section(env, false, "listen") == FR_YAML_SECTION_ABSENT)
        return fr_setup_note(FR_SETUP_TODO, note, "no domain is set");
    if (fr_doctor_resolve(domain, env->config->tesla.port, RESOLVE_MS, &addresses, &cause) != 0 ||
        fr_doctor_resolve(host, env->config->tesla.port, RESOLVE_MS, &addresses, &cause) != 0)
        return fr_setup_note(
            FR_SETUP_TODO, note,
            "%s cannot be resolved (%s); create an A record with the public address "
            "of this server, and wait until it is published",
            domain, cause.text);
    if (name_port_is_taken(env))
        return fr_setup_note(FR_SETUP_TODO, note,
                             "another program listens on port %u; stop it (`ss -ltnp`), or use "
                             "another port",
                             env->config->port);
    fr_doctor_address_text(&addresses.list[0], text);
    return fr_setup_note(FR_SETUP_DONE, note, "vehicles dial %s:%u, which is %s%s", host,
                         env->config->tesla.port, text,
                         fr_doctor_address_is_private(&addresses.list[0])
                             ? " here (a private address; Tesla and the car need the public one)"
                             : "");
}

/* The port in fleetroute.yaml and the one that vehicles dial differ behind a router that forwards. */
static int name_ask_ports(struct fr_setup_env *env, struct fr_error *error)
{
    char now[8] = "443", listening[8], *port, *listen = NULL;
    struct fr_setup_question question = {"port", "Port that vehicles dial", now,
                                         false,  name_valid_port,           NULL};
    int status = -1;

    if (env->config != NULL)
        snprintf(now, sizeof now, "%u", env->config->tesla.port);
    port = fr_setup_ask(env->prompt, &question, error);
    if (port != NULL) {
        snprintf(listening, sizeof listening, "%s", port);
        if (env->config != NULL && fr_setup_section(env, false, "listen") == FR_YAML_SECTION_OWNED)
            snprintf(listening, sizeof listening, "%u", env->config->port);
        question.key = "listen_port";
        question.text = "Port of this machine to which the router forwards it";
        question.default_value = listening;
        listen = fr_setup_ask(env->prompt, &question, error);
    }
    if (listen != NULL && fr_setup_put(env, "listen", "port", listen, error) == 0)
        status = fr_setup_put(env, "tesla", "port", strcmp(port, listen) != 0 ? port : NULL, error);
    free(port);
    free(listen);
    return status;
}

/* A new file also gets what the file of the package has. */
static int name_begin_file(struct fr_setup_env *env, struct fr_error *error)
{
    struct fr_user user;
    struct fr_error cause;

    if (env->config != NULL)
        return 0;
    if (fr_setup_put(env, "listen", "address", "0.0.0.0", error) != 0 ||
        fr_setup_set_yaml(env, "routing", "routing.yaml", error) != 0)
        return -1;
    if (geteuid() == 0 && fr_user_find("fleetroute", &user, &cause) == 0)
        return fr_setup_set_yaml(env, "user", "fleetroute", error);
    return 0;
}

static int name_run(struct fr_setup_env *env, struct fr_error *error)
{
    const char *known = fr_setup_domain(env);
    struct fr_setup_question question = {
        "domain",
        "Domain that serves the public key, e.g. telemetry.example.com",
        NULL,
        false,
        name_valid_host,
        NULL};
    char *domain, *host = NULL;
    int status = -1;

    puts("The domain is registered with Tesla and serves a small public file. Vehicles dial the\n"
         "same name, unless you give another one.");
    question.default_value = known[0] != '\0' ? known : NULL;
    domain = fr_setup_ask(env->prompt, &question, error);
    if (domain != NULL) {
        question.key = "hostname";
        question.text = "Name that vehicles dial";
        question.default_value = env->config != NULL && env->config->tesla.hostname != NULL
                                     ? env->config->tesla.hostname
                                     : domain;
        host = fr_setup_ask(env->prompt, &question, error);
    }
    /* The domain is written last: with it, the next run takes this step as done. */
    if (host != NULL && name_begin_file(env, error) == 0 &&
        fr_setup_put(env, "tesla", "hostname", strcmp(host, domain) != 0 ? host : NULL, error) ==
            0 &&
        name_ask_ports(env, error) == 0)
        status = fr_setup_put(env, "tesla", "domain", domain, error);
    free(domain);
    free(host);
    return status;
}

const struct fr_setup_step fr_setup_step_name = {"name", "the name and the port", name_check,
                                                 name_run};

/* ---- key --------------------------------------------------------------------------- */

/* Whether the file that the daemon serves has this key. A path of the owner's (`tls: public_key`) is
 * checked over the network, with the daemon. */
static bool key_is_published(const struct fr_server_config *config, EVP_PKEY *key)
{
    char *path = fr_server_public_key_path(config->tesla.key);
    FILE *file = fopen(path, "re");
    EVP_PKEY *published = file != NULL ? PEM_read_PUBKEY(file, NULL, fr_no_passphrase, NULL) : NULL;
    bool equal = published != NULL && EVP_PKEY_eq(key, published) == 1;

    if (file != NULL)
        fclose(file);
    EVP_PKEY_free(published);
    ERR_clear_error();
    free(path);
    return equal;
}

static enum fr_setup_result key_check(struct fr_setup_env *env, struct fr_error *note)
{
    const struct fr_server_config *config = env->config;
    enum fr_setup_result outcome = FR_SETUP_FAILED;
    struct fr_file_owner owner;
    EVP_PKEY *key;
    enum fr_command_key_result result =
        fr_command_key_read(config->tesla.key, fr_command_key_owner(config, &owner), &key, note);
    char *fingerprint = result == FR_COMMAND_KEY_READ ? fr_public_key_fingerprint(key) : NULL;

    if (result == FR_COMMAND_KEY_MISSING)
        outcome = fr_setup_note(FR_SETUP_TODO, note, "there is no command key");
    else if (result == FR_COMMAND_KEY_READ && !key_is_published(config, key))
        outcome = fr_setup_note(FR_SETUP_TODO, note, "the public half has no file");
    else if (result == FR_COMMAND_KEY_READ &&
             fr_public_key_check_path(config->tesla.key, config->key, note) == 0 &&
             fr_public_key_check_tls(key, config->tesla.key, config->key, config->certificate,
                                     note) == 0)
        outcome = fr_setup_note(FR_SETUP_DONE, note, "%s, SHA-256 of the public half %s",
                                config->tesla.key, fingerprint != NULL ? fingerprint : "unknown");
    free(fingerprint);
    EVP_PKEY_free(key);
    return outcome;
}

static int key_run(struct fr_setup_env *env, struct fr_error *error)
{
    const char *path = env->config->tesla.key;
    struct fr_file_owner owner;
    EVP_PKEY *key =
        fr_command_key_open(path, fr_command_key_owner(env->config, &owner), env->config, error);

    if (key == NULL)
        return -1;
    printf("The command key %s signs configurations and is paired with the car: keep a copy in "
           "a safe place.\n",
           path);
    EVP_PKEY_free(key);
    return 0;
}

const struct fr_setup_step fr_setup_step_key = {"key", "the command key", key_check, key_run};
