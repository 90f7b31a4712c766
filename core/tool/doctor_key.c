#include "tool/doctor_key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fleet_api/command_key.h"
#include "fleet_api/public_key.h"
#include "privsep/privileges.h"
#include "tool/doctor_request.h"
#include "util/memory.h"
#include "util/no_passphrase.h"

/* ---- tesla ----------------------------------------------------------------------- */

static void key_check_secret(struct fr_doctor *doctor, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat file;

    if (fd < 0 || fstat(fd, &file) != 0)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         errno == EACCES
                             ? "run the command as root"
                             : "write the client secret of developer.tesla.com to this file",
                         "client_secret_file %s: %s", path, strerror(errno));
    else if (!S_ISREG(file.st_mode) || file.st_size == 0)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         "write the client secret of developer.tesla.com to this file",
                         "client_secret_file %s is empty or not a file", path);
    else if ((file.st_mode & 077) != 0)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL, "chmod 600 the file",
                         "client_secret_file %s: other users may access it (mode %03o)", path,
                         (unsigned)(file.st_mode & 0777));
    if (fd >= 0)
        close(fd);
}

static void key_check_tesla(struct fr_doctor *doctor)
{
    const struct fr_tesla_config *tesla = &doctor->server->tesla;

    if (!tesla->present) {
        fr_doctor_report(doctor, FR_DOCTOR_SKIPPED, NULL, NULL,
                         "fleetroute.yaml has no section `tesla:`, so Tesla's account is not "
                         "checked");
        return;
    }
    if (tesla->client_id == NULL)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         "copy the client id from developer.tesla.com, or run `fleetroute setup`",
                         "`tesla:` has no client_id");
    if (doctor->domain == NULL)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         "add the domain that is registered with Tesla",
                         "`tesla:` has no domain, and the certificate has not exactly one name");
    if (tesla->client_secret_file == NULL)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         "write the client secret to a file with mode 0600 and name it, or run "
                         "`fleetroute setup`",
                         "`tesla:` has no client_secret_file");
    else
        key_check_secret(doctor, tesla->client_secret_file);
}

/* ---- command_key ----------------------------------------------------------------- */

static void key_report_key(struct fr_doctor *doctor, enum fr_command_key_result result,
                           const struct fr_error *error)
{
    const char *path = doctor->server->tesla.key;

    if (result == FR_COMMAND_KEY_MISSING && !doctor->server->tesla.present)
        fr_doctor_report(doctor, FR_DOCTOR_SKIPPED, NULL,
                         "make it with `fleetroute key` to push configurations from here",
                         "there is no command key %s", path);
    else if (result == FR_COMMAND_KEY_MISSING)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         "make it with `fleetroute key`, or restore it from a backup if vehicles "
                         "are paired with it",
                         "there is no command key %s", path);
    else if (result == FR_COMMAND_KEY_REFUSED)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL, NULL, "%s", error->text);
}

static void key_check_command_key(struct fr_doctor *doctor)
{
    const struct fr_server_config *server = doctor->server;
    const char *path = server->tesla.key;
    struct fr_file_owner service_user;
    const struct fr_file_owner *owner = NULL;
    enum fr_command_key_result result;
    struct fr_error error;
    struct fr_user user;

    if (server->user != NULL && fr_user_find(server->user, &user, &error) == 0) {
        service_user = (struct fr_file_owner){user.uid, user.gid};
        owner = &service_user;
    }
    result = fr_command_key_read(path, owner, &doctor->command_key, &error);
    if (result != FR_COMMAND_KEY_READ)
        key_report_key(doctor, result, &error);
    else if (fr_public_key_check_path(path, server->key, &error) != 0 ||
             fr_public_key_check_tls(doctor->command_key, path, server->key, server->certificate,
                                     &error) != 0)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL, NULL, "%s", error.text);
    else
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL,
                         "%s is a P-256 key of its own, for its owner alone", path);
}

/* ---- public_key ------------------------------------------------------------------ */

static EVP_PKEY *key_parse_public(const char *body, size_t len)
{
    BIO *bio = BIO_new_mem_buf(body, (int)len);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PUBKEY(bio, NULL, fr_no_passphrase, NULL) : NULL;

    BIO_free(bio);
    ERR_clear_error();
    return key;
}

static void key_compare_public(struct fr_doctor *doctor, const char *url,
                               const struct fr_http_response *response)
{
    EVP_PKEY *key = key_parse_public(response->body, response->len);

    if (key == NULL)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         "serve the PEM file alone, without a page around it (fleetroute key "
                         "--write FOLDER)",
                         "%s is not a public key in PEM", url);
    else if (doctor->command_key == NULL)
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, NULL, "see the link command_key",
                         "%s is a public key, which cannot be compared with the command key", url);
    else if (EVP_PKEY_eq(key, doctor->command_key) != 1)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         "serve the public half of the command key (fleetroute key --write "
                         "FOLDER), or restore the command key",
                         "%s is another key than the command key", url);
    else
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL,
                         "%s is the public half of the command key", url);
    EVP_PKEY_free(key);
}

/* Whether the router may hide the server from this machine, as the link `port` reports. */
static bool key_is_behind_router(const struct fr_doctor *doctor)
{
    return fr_doctor_level_of(doctor, "port") == FR_DOCTOR_WARNING &&
           strcmp(doctor->domain, doctor->public_name) == 0;
}

static void key_report_unreachable(struct fr_doctor *doctor, const char *url,
                                   const struct fr_error *error)
{
    if (key_is_behind_router(doctor))
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, NULL,
                         "open this address from another network, e.g. a phone without Wi-Fi",
                         "%s cannot be fetched from here, see the link port", url);
    else
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         "serve the key on port 443 with a certificate of a public CA; fleetrouted "
                         "does it on its own port",
                         "%s: %s", url, error->text);
}

static void key_fetch(struct fr_doctor *doctor, const char *url)
{
    const struct fr_http_request request = {.method = "GET", .url = url};
    struct fr_http_response response;
    struct fr_error error;

    if (fr_doctor_request(doctor->server->tesla.api_ca, false, &request, &response, &error) != 0) {
        key_report_unreachable(doctor, url, &error);
        return;
    }
    if (response.status == 200)
        key_compare_public(doctor, url, &response);
    else
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         response.status >= 300 && response.status < 400
                             ? "serve the file at this address itself; Tesla follows no redirect"
                             : "serve the public half of the command key there, for ever: "
                               "fleetrouted does it on port 443, or use fleetroute key --write "
                               "FOLDER for a web server",
                         "%s: the server answers with status %d", url, response.status);
    fr_http_response_free(&response);
}

static void key_check_public_key(struct fr_doctor *doctor)
{
    char *url;

    if (!doctor->server->tesla.present) {
        fr_doctor_report(doctor, FR_DOCTOR_SKIPPED, NULL, NULL,
                         "fleetroute.yaml has no section `tesla:`, which names the domain of the "
                         "key");
        return;
    }
    if (doctor->domain == NULL) {
        fr_doctor_report(doctor, FR_DOCTOR_SKIPPED, NULL, NULL, "needs the link name");
        return;
    }
    url = fr_asprintf("https://%s/" FR_PUBLIC_KEY_PATH, doctor->domain);
    key_fetch(doctor, url);
    free(url);
}

const struct fr_doctor_check fr_doctor_key[] = {
    {"command_key", "the command key is usable", {"config"}, false, key_check_command_key},
    {"public_key",
     "the public half of the command key is served",
     {"config"},
     true,
     key_check_public_key},
    {"tesla", "the section tesla is complete", {"config"}, false, key_check_tesla},
    {0},
};
