#include "tool/command_key_file.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet_api/command_key.h"
#include "fleet_api/public_key.h"
#include "privsep/privileges.h"

const struct fr_file_owner *fr_command_key_owner(const struct fr_server_config *config,
                                                 struct fr_file_owner *owner)
{
    struct fr_user user;
    struct fr_error ignored;

    if (geteuid() != 0 || config == NULL || config->user == NULL ||
        fr_user_find(config->user, &user, &ignored) != 0)
        return NULL;
    *owner = (struct fr_file_owner){user.uid, user.gid};
    return owner;
}

/* ---- the public half beside the key ---------------------------------------------- */

static bool command_key_equals(const char *path, const char *text)
{
    char bytes[1024];
    FILE *file = fopen(path, "re");
    size_t len = file != NULL ? fread(bytes, 1, sizeof bytes, file) : 0;

    if (file != NULL)
        fclose(file);
    return len == strlen(text) && memcmp(bytes, text, len) == 0;
}

/* Write the public half beside the key, unless the file has it: a second run needs no permission to
 * write. */
static int command_key_publish(const char *path, EVP_PKEY *key, struct fr_error *error)
{
    char *pem = fr_public_key_pem(key);
    char *beside = fr_server_public_key_path(path);
    struct fr_atomic_file file = {beside, 0644, NULL, true};
    int status = 0;

    if (pem == NULL)
        status = fr_error_set(error, "%s: OpenSSL cannot encode the public key", path);
    else if (!command_key_equals(beside, pem)) {
        status = fr_atomic_file_write(&file, pem, strlen(pem), error);
        if (status == 0)
            fprintf(stderr, "wrote the public key to %s\n", beside);
    }
    free(beside);
    free(pem);
    return status;
}

/* ---- the key --------------------------------------------------------------------- */

EVP_PKEY *fr_command_key_open(const char *path, const struct fr_file_owner *owner,
                              const struct fr_server_config *config, struct fr_error *error)
{
    const char *tls_key = config != NULL ? config->key : NULL;
    const char *certificate = config != NULL ? config->certificate : NULL;
    enum fr_command_key_result result;
    EVP_PKEY *key;

    if (fr_public_key_check_path(path, tls_key, error) != 0)
        return NULL;
    result = fr_command_key_read(path, owner, &key, error);
    if (result == FR_COMMAND_KEY_MISSING) {
        /* Not the service user's: the key commands vehicles, and the daemon does not need it. */
        if (fr_command_key_create(path, NULL, error) != 0)
            return NULL;
        fprintf(stderr, "made the command key %s\n", path);
        result = fr_command_key_read(path, owner, &key, error);
        if (result == FR_COMMAND_KEY_MISSING)
            fr_error_set(error, "%s was deleted while it was made; run the command again", path);
    }
    if (result == FR_COMMAND_KEY_READ &&
        (fr_public_key_check_tls(key, path, tls_key, certificate, error) != 0 ||
         command_key_publish(path, key, error) != 0)) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}
