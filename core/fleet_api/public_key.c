#include "fleet_api/public_key.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fleet_api/ss256.h"
#include "util/atomic_file.h"
#include "util/buffer.h"
#include "util/file_remedy.h"
#include "util/memory.h"
#include "util/no_passphrase.h"

char *fr_public_key_pem(EVP_PKEY *key)
{
    BIO *pem = BIO_new(BIO_s_mem());
    char *bytes, *text = NULL;
    long len;

    if (pem != NULL && PEM_write_bio_PUBKEY(pem, key) && (len = BIO_get_mem_data(pem, &bytes)) > 0)
        text = fr_strndup(bytes, (size_t)len);
    BIO_free(pem);
    return text;
}

/* The caller frees the text. */
static char *public_key_hex(const unsigned char *bytes, size_t len)
{
    struct fr_buffer text = {0};
    char *copy;

    for (size_t i = 0; i < len; i++)
        fr_buffer_printf(&text, "%02x", bytes[i]);
    copy = fr_strdup(fr_buffer_string(&text));
    fr_buffer_free(&text);
    return copy;
}

char *fr_public_key_fingerprint(EVP_PKEY *key)
{
    unsigned char *der = NULL, hash[SHA256_DIGEST_LENGTH];
    int len = i2d_PUBKEY(key, &der);

    if (len <= 0)
        return NULL;
    SHA256(der, (size_t)len, hash);
    OPENSSL_free(der);
    return public_key_hex(hash, sizeof hash);
}

char *fr_public_key_point(EVP_PKEY *key, struct fr_error *error)
{
    unsigned char point[FR_SS256_POINT_BYTES];

    return fr_ss256_public(key, point, error) == 0 ? public_key_hex(point, sizeof point) : NULL;
}

/* ---- the file for a web server --------------------------------------------------- */

/* Make a folder that a web server of another user can read, whatever the umask. */
static int public_key_make_folder(const char *path, struct fr_error *error)
{
    if ((mkdir(path, 0755) == 0 && chmod(path, 0755) == 0) || errno == EEXIST)
        return 0;
    return fr_error_set(error, "cannot make the folder %s: %s; %s", path, strerror(errno),
                        errno == ENOENT ? "create the folder of the web server first"
                        : errno == EACCES || errno == EPERM
                            ? "run this command as a user who may write there"
                            : fr_file_remedy(errno));
}

char *fr_public_key_write(const char *folder, const char *pem, struct fr_error *error)
{
    char *outer = fr_asprintf("%s/.well-known", folder);
    char *inner = fr_asprintf("%s/" FR_PUBLIC_KEY_FOLDER, folder);
    char *path = fr_asprintf("%s/" FR_PUBLIC_KEY_PATH, folder);
    struct fr_atomic_file file = {path, 0644, NULL, true};

    if (public_key_make_folder(outer, error) != 0 || public_key_make_folder(inner, error) != 0 ||
        fr_atomic_file_write(&file, pem, strlen(pem), error) != 0) {
        free(path);
        path = NULL;
    }
    free(outer);
    free(inner);
    return path;
}

/* ---- comparison with the TLS key ------------------------------------------------- */

/* The path with its folder resolved, for a file that need not exist. The caller frees it. */
static char *public_key_resolve(const char *path)
{
    char *folder = fr_path_folder(path);
    char *real = realpath(folder, NULL);
    const char *slash = strrchr(path, '/');
    char *resolved =
        fr_asprintf("%s/%s", real != NULL ? real : folder, slash != NULL ? slash + 1 : path);

    free(real);
    free(folder);
    return resolved;
}

static bool public_key_is_same_file(const char *a, const char *b)
{
    struct stat file_a, file_b;
    char *path_a, *path_b;
    bool is_same;

    if (stat(a, &file_a) == 0 && stat(b, &file_b) == 0)
        return file_a.st_dev == file_b.st_dev && file_a.st_ino == file_b.st_ino;
    path_a = public_key_resolve(a);
    path_b = public_key_resolve(b);
    is_same = strcmp(path_a, path_b) == 0;
    free(path_a);
    free(path_b);
    return is_same;
}

int fr_public_key_check_path(const char *path, const char *tls_key, struct fr_error *error)
{
    if (tls_key == NULL || !public_key_is_same_file(path, tls_key))
        return 0;
    return fr_error_set(
        error,
        "%s is the TLS key (`tls: key:`); the command key must be a key of its own: "
        "use another path",
        path);
}

static EVP_PKEY *public_key_of_file(const char *path, bool is_certificate)
{
    X509 *certificate = NULL;
    EVP_PKEY *key = NULL;
    struct stat file;
    BIO *pem;

    if (path == NULL || stat(path, &file) != 0 || !S_ISREG(file.st_mode))
        return NULL;
    pem = BIO_new_file(path, "r");
    if (pem != NULL && is_certificate)
        certificate = PEM_read_bio_X509(pem, NULL, fr_no_passphrase, NULL);
    else if (pem != NULL)
        key = PEM_read_bio_PrivateKey(pem, NULL, fr_no_passphrase, NULL);
    if (certificate != NULL)
        key = X509_get_pubkey(certificate);
    X509_free(certificate);
    BIO_free(pem);
    ERR_clear_error();
    return key;
}

int fr_public_key_check_tls(EVP_PKEY *key, const char *path, const char *tls_key,
                            const char *certificate, struct fr_error *error)
{
    const char *const paths[] = {tls_key, certificate};

    for (size_t i = 0; i < 2; i++) {
        EVP_PKEY *other = public_key_of_file(paths[i], i == 1);
        bool is_same = other != NULL && EVP_PKEY_eq(key, other) == 1;

        EVP_PKEY_free(other);
        if (is_same)
            return fr_error_set(error,
                                "%s has the same key as %s; the command key must be a key of its "
                                "own: move the file away and run `fleetroute key`, which makes one",
                                path, paths[i]);
    }
    return 0;
}
