/* fleetroute key: makes the command key, prints its public half, and prints the link for pairing. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet_api/command_key.h"
#include "fleet_api/pairing_link.h"
#include "fleet_api/public_key.h"
#include "privsep/privileges.h"
#include "tool/command_key_file.h"
#include "tool/command_line.h"
#include "tool/commands.h"
#include "tool/qr_code.h"
#include "util/memory.h"

static const char help[] =
    "usage: fleetroute key [-c FILE] [--key FILE] [--write FOLDER]\n"
    "       fleetroute key --pairing-link --domain NAME [--vin VIN]\n"
    "Makes the command key if there is none, prints its public half to standard output, and\n"
    "writes it beside the key (command-key.pub.pem), from where fleetrouted serves it.\n"
    "With --pairing-link, prints the link that adds the public key to a vehicle. No network\n"
    "connection is made.\n"
    "\n"
    "  -c, --config FILE    the configuration (" FR_CONFIG_DIR "/fleetroute.yaml)\n"
    "  -k, --key FILE       the command key (" FR_COMMAND_KEY_FILE ", from the folder of the\n"
    "                       configuration)\n"
    "  -w, --write FOLDER   also write the public half to\n"
    "                       FOLDER/" FR_PUBLIC_KEY_PATH ",\n"
    "                       for a web server\n"
    "      --pairing-link   print the link and its QR code\n"
    "      --domain NAME    the domain that is registered with Tesla\n"
    "      --vin VIN        the vehicle to be paired\n"
    "  -h, --help           print this help and exit\n";

struct key_job {
    const char *config_path; /* NULL: the default, which need not exist */
    const char *key_option;
    const char *web_folder;
    bool is_pairing;
    const char *domain, *vin;
    struct fr_server_config *config; /* NULL: there is no configuration yet */
    struct fr_file_owner service_user;
    const struct fr_file_owner *owner; /* NULL: this process does not run as root, or no `user:` */
    char *path;
};

static int key_fail(const struct fr_error *error)
{
    fprintf(stderr, "fleetroute key: %s\n", error->text);
    return EXIT_FAILURE;
}

/* ---- the configuration ----------------------------------------------------------- */

/* Read what the configuration says about the TLS key and the user. A configuration with errors is
 * used as far as it goes: the owner may need the key before the certificates. */
static int key_read_config(struct key_job *job, struct fr_error *error)
{
    const char *path =
        job->config_path != NULL ? job->config_path : FR_CONFIG_DIR "/fleetroute.yaml";
    struct fr_diagnostics diagnostics = {0};
    int status = 0;

    if (job->config_path == NULL && access(path, F_OK) != 0 && errno == ENOENT)
        return 0;
    job->config = fr_server_config_load(path, &diagnostics);
    if (job->config == NULL) {
        fr_diagnostics_print(&diagnostics, stderr);
        status =
            fr_error_set(error, "%s cannot be read; correct it, or name another one with -c", path);
    } else if (job->config->key == NULL) {
        fprintf(
            stderr,
            "fleetroute key: %s names no `tls: key:`; the command key is not compared with it\n",
            path);
    }
    fr_diagnostics_free(&diagnostics);
    return status;
}

static int key_find_owner(struct key_job *job, struct fr_error *error)
{
    struct fr_user user;

    if (geteuid() != 0 || job->config == NULL || job->config->user == NULL)
        return 0;
    if (fr_user_find(job->config->user, &user, error) != 0)
        return -1;
    job->service_user = (struct fr_file_owner){user.uid, user.gid};
    job->owner = &job->service_user;
    return 0;
}

static char *key_find_path(const struct key_job *job)
{
    char *folder, *path;

    if (job->key_option != NULL)
        return fr_strdup(job->key_option);
    if (job->config != NULL)
        return fr_strdup(job->config->tesla.key);
    if (job->config_path == NULL)
        return fr_strdup(FR_CONFIG_DIR "/" FR_COMMAND_KEY_FILE);
    folder = fr_path_folder(job->config_path);
    path = fr_asprintf("%s/" FR_COMMAND_KEY_FILE, folder);
    free(folder);
    return path;
}

/* ---- the key --------------------------------------------------------------------- */

/* Standard output gets the PEM alone, so that it can be redirected to a file. */
static int key_publish(const struct key_job *job, EVP_PKEY *key, struct fr_error *error)
{
    char *pem = fr_public_key_pem(key);
    char *fingerprint = fr_public_key_fingerprint(key);
    char *written = NULL;
    int status = 0;

    if (pem == NULL || fingerprint == NULL) {
        status = fr_error_set(error, "%s: OpenSSL cannot encode the public key", job->path);
    } else {
        if (job->web_folder != NULL)
            status = (written = fr_public_key_write(job->web_folder, pem, error)) != NULL ? 0 : -1;
        if (written != NULL)
            fprintf(stderr, "wrote the public key to %s\n", written);
        fputs(pem, stdout);
        fprintf(stderr, "public key of %s, SHA-256 %s\n", job->path, fingerprint);
    }
    free(written);
    free(fingerprint);
    free(pem);
    return status;
}

/* Full disks are noticed here: standard output is often a file. */
static int key_flush(struct fr_error *error)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    return fr_error_set(error, "cannot write to standard output: %s", strerror(errno));
}

static int key_run(struct key_job *job)
{
    struct fr_error error;
    EVP_PKEY *key = NULL;
    int status = -1;
    bool ready = key_read_config(job, &error) == 0 && key_find_owner(job, &error) == 0;

    job->path = key_find_path(job);
    if (ready)
        key = fr_command_key_open(job->path, job->owner, job->config, &error);
    if (key != NULL)
        status = key_publish(job, key, &error);
    if (status == 0)
        status = key_flush(&error);
    EVP_PKEY_free(key);
    fr_server_config_unref(job->config);
    free(job->path);
    return status == 0 ? EXIT_SUCCESS : key_fail(&error);
}

/* ---- pairing --------------------------------------------------------------------- */

static int key_print_link(const struct key_job *job)
{
    struct fr_error error;
    char *link;
    int status;

    if (job->domain == NULL) {
        fputs("fleetroute key: --pairing-link needs --domain NAME\n", stderr);
        return EXIT_FAILURE;
    }
    link = fr_pairing_link(job->domain, job->vin, &error);
    if (link == NULL)
        return key_fail(&error);
    printf("%s\n", link);
    status = fr_qr_code_draw(stdout, link, isatty(STDOUT_FILENO));
    free(link);
    if (status != 0)
        fr_error_set(&error, "the link has no QR code: memory is exhausted; open the link itself");
    if (status != 0 || key_flush(&error) != 0)
        return key_fail(&error);
    fputs(
        "Open this link on the phone that has the Tesla app, or scan the QR code with it.\n"
        "Tesla's page needs the public key under the domain, and the registration of the domain.\n",
        stderr);
    return EXIT_SUCCESS;
}

/* ---- command line ---------------------------------------------------------------- */

static int key_dispatch(struct key_job *job)
{
    bool has_key_options =
        job->config_path != NULL || job->key_option != NULL || job->web_folder != NULL;

    if (job->is_pairing && has_key_options) {
        fputs("fleetroute key: --pairing-link reads no key: omit -c, --key and --write\n", stderr);
        return EXIT_FAILURE;
    }
    if (!job->is_pairing && (job->domain != NULL || job->vin != NULL)) {
        fputs("fleetroute key: --domain and --vin need --pairing-link\n", stderr);
        return EXIT_FAILURE;
    }
    return job->is_pairing ? key_print_link(job) : key_run(job);
}

int fr_cmd_key(int argc, char **argv)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'}, {"key", required_argument, NULL, 'k'},
        {"write", required_argument, NULL, 'w'},  {"pairing-link", no_argument, NULL, 'p'},
        {"domain", required_argument, NULL, 'd'}, {"vin", required_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    struct key_job job = {0};
    int option;

    while ((option = getopt_long(argc, argv, "c:k:w:h", longs, NULL)) != -1) {
        switch (option) {
        case 'c':
            job.config_path = optarg;
            break;
        case 'k':
            job.key_option = optarg;
            break;
        case 'w':
            job.web_folder = optarg;
            break;
        case 'p':
            job.is_pairing = true;
            break;
        case 'd':
            job.domain = optarg;
            break;
        case 'v':
            job.vin = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_SUCCESS;
        default:
            return EXIT_FAILURE;
        }
    }
    if (fr_has_argument("key", argc, argv))
        return EXIT_FAILURE;
    return key_dispatch(&job);
}
