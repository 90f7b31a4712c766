#include "fleet_api/command_key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fleet_api/secret_file.h"
#include "util/files.h"
#include "util/memory.h"

#define NEW_KEY "move the file away and run `fleetroute key`, which makes a new key"

/* ---- content of a key file ------------------------------------------------------- */

/* The private key of one PEM block, or NULL with the cause and the remedy in `error`. */
static EVP_PKEY *command_key_from_block(const char *name, const char *header,
                                        const unsigned char *der, long len, struct fr_error *error)
{
    EVP_PKEY *key;

    if (strcmp(name, "ENCRYPTED PRIVATE KEY") == 0 || strstr(header, "ENCRYPTED") != NULL) {
        fr_error_set(error, "the key is encrypted; remove the passphrase with `openssl pkey`");
        return NULL;
    }
    if (strcmp(name, "EC PRIVATE KEY") != 0 && strcmp(name, "PRIVATE KEY") != 0) {
        fr_error_set(error, "the file has a \"%.40s\" and no P-256 private key; " NEW_KEY, name);
        return NULL;
    }
    key = d2i_AutoPrivateKey(NULL, &der, len);
    if (key == NULL)
        fr_error_set(error, "the key is damaged or of an unknown kind; restore it from a copy, or "
                            "" NEW_KEY);
    return key;
}

/* The first private key of a PEM text. `openssl ecparam -genkey` writes the curve before the key. */
static EVP_PKEY *command_key_parse(BIO *pem, struct fr_error *error)
{
    EVP_PKEY *key = NULL;
    bool is_found = false;
    unsigned char *der;
    char *name, *header;
    long len;

    while (!is_found && PEM_read_bio(pem, &name, &header, &der, &len)) {
        is_found = strcmp(name, "EC PARAMETERS") != 0;
        if (is_found)
            key = command_key_from_block(name, header, der, len, error);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(der, (size_t)len);
    }
    if (!is_found)
        fr_error_set(error, "the file has no private key in PEM; " NEW_KEY);
    return key;
}

/* Whether the public half of the file belongs to the private half, and both are on the curve. */
static bool command_key_is_sound(EVP_PKEY *key)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    bool is_sound = context != NULL && EVP_PKEY_check(context) == 1;

    EVP_PKEY_CTX_free(context);
    return is_sound;
}

/* Check the kind of a key, and select the form in which Tesla reads its public half. */
static int command_key_check(EVP_PKEY *key, struct fr_error *error)
{
    const char *kind = EVP_PKEY_get0_type_name(key);
    char curve[64] = "";

    if (EVP_PKEY_is_a(key, "EC"))
        EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL);
    if (strcmp(curve, SN_X9_62_prime256v1) != 0)
        return fr_error_set(error, "the key is %s%s%s; vehicles accept only P-256; " NEW_KEY,
                            kind != NULL ? kind : "of an unknown kind", curve[0] != '\0' ? " " : "",
                            curve);
    if (!command_key_is_sound(key))
        return fr_error_set(error,
                            "the public half in the file does not belong to the private half; "
                            "restore the file from a copy, or " NEW_KEY);
    if (!EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, "named_curve") ||
        !EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                        "uncompressed"))
        return fr_error_set(error, "OpenSSL cannot encode the key; " NEW_KEY);
    return 0;
}

/* ---- the file -------------------------------------------------------------------- */

static int command_key_check_file(const char *path, const struct stat *file,
                                  const struct fr_file_owner *owner, struct fr_error *error)
{
    bool is_owned = file->st_uid == 0 || file->st_uid == geteuid() ||
                    (owner != NULL && file->st_uid == owner->uid);

    if (!S_ISREG(file->st_mode))
        return fr_error_set(error, "not a regular file; use another path");
    if (!is_owned)
        return fr_error_set(
            error,
            "the file belongs to another user (uid %u), who can read and replace the "
            "key; run `chown %u %s`",
            (unsigned)file->st_uid, (unsigned)(owner != NULL ? owner->uid : geteuid()), path);
    if (file->st_mode & 077)
        return fr_error_set(error,
                            "other users have access to the private key (mode %04o); run "
                            "`chmod 600 %s`",
                            (unsigned)(file->st_mode & 07777), path);
    if (file->st_size == 0)
        return fr_error_set(error,
                            "the file is empty; delete it and run `fleetroute key`, which makes "
                            "a new key");
    if (file->st_size > FR_COMMAND_KEY_BYTES_MAX)
        return fr_error_set(error,
                            "the file has more than %d bytes and is no private key; " NEW_KEY,
                            FR_COMMAND_KEY_BYTES_MAX);
    return 0;
}

static EVP_PKEY *command_key_from_file(int fd, struct fr_error *error)
{
    char bytes[FR_COMMAND_KEY_BYTES_MAX];
    ssize_t len = fr_secret_file_bytes(fd, bytes, sizeof bytes);
    BIO *pem = len >= 0 ? BIO_new_mem_buf(bytes, (int)len) : NULL;
    EVP_PKEY *key = NULL;

    if (pem == NULL)
        fr_error_set(error, "cannot be read: %s; check the disk", strerror(errno));
    else
        key = command_key_parse(pem, error);
    if (key != NULL && command_key_check(key, error) != 0) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    BIO_free(pem);
    OPENSSL_cleanse(bytes, sizeof bytes);
    ERR_clear_error();
    return key;
}

enum fr_command_key_result fr_command_key_read(const char *path, const struct fr_file_owner *owner,
                                               EVP_PKEY **key, struct fr_error *error)
{
    /* O_NONBLOCK: the open(2) of a FIFO does not wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat file;

    *key = NULL;
    if (fd < 0 && errno == ENOENT)
        return FR_COMMAND_KEY_MISSING;
    if (fd < 0)
        fr_error_set(error, "%s: %s; %s", path, strerror(errno),
                     errno == EACCES ? "run this command as root or as the owner of the key"
                                     : "check the path");
    else if (fstat(fd, &file) != 0)
        fr_error_set(error, "%s: %s; check the disk", path, strerror(errno));
    else if (command_key_check_file(path, &file, owner, error) != 0 ||
             (*key = command_key_from_file(fd, error)) == NULL)
        fr_error_wrap(error, "%s", path);
    if (fd >= 0)
        close(fd);
    return *key != NULL ? FR_COMMAND_KEY_READ : FR_COMMAND_KEY_REFUSED;
}

/* ---- a new key ------------------------------------------------------------------- */

/* Make the folder of the key, if there is none. The service user may enter it, but not write there. */
static int command_key_make_folder(const char *path, const struct fr_file_owner *owner,
                                   struct fr_error *error)
{
    char *folder = fr_path_folder(path);
    bool is_new = access(folder, F_OK) != 0 && errno == ENOENT;
    int status = is_new ? fr_make_folders(folder, error) : 0;

    if (status == 0 && is_new && owner != NULL && chown(folder, (uid_t)-1, owner->gid) != 0)
        status = fr_error_set(error, "cannot change the group of %s: %s; run this command as root",
                              folder, strerror(errno));
    free(folder);
    return status;
}

int fr_command_key_create(const char *path, const struct fr_file_owner *owner,
                          struct fr_error *error)
{
    struct fr_atomic_file file = {path, 0600, owner, false};
    EVP_PKEY *key = NULL;
    BIO *pem = NULL;
    char *bytes;
    long len;
    int status = -1;

    if (command_key_make_folder(path, owner, error) != 0)
        return -1;
    key = EVP_EC_gen("P-256");
    pem = BIO_new(BIO_s_secmem()); /* BIO_free() erases it */
    if (key == NULL || pem == NULL ||
        !PEM_write_bio_PrivateKey_traditional(pem, key, NULL, NULL, 0, NULL, NULL) ||
        (len = BIO_get_mem_data(pem, &bytes)) <= 0)
        fr_error_set(error, "OpenSSL cannot make a P-256 key; check OpenSSL's configuration");
    else
        status = fr_atomic_file_write(&file, bytes, (size_t)len, error);
    BIO_free(pem);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return status;
}
