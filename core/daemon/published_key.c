#include "daemon/published_key.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fleet_api/public_key.h"
#include "privsep/key_reader.h"
#include "util/memory.h"
#include "util/no_passphrase.h"

/* Read a regular file of at most FR_PUBLISHED_KEY_MAX bytes. Returns its length, or -1 with errno
 * set. The TLS files are opened in the same way, so the file may be one that only root reads. */
static ssize_t published_read_file(int fd, char bytes[FR_PUBLISHED_KEY_MAX])
{
    struct stat file;
    size_t len = 0;
    ssize_t n = 0;

    if (fstat(fd, &file) != 0)
        return -1;
    if (!S_ISREG(file.st_mode) || file.st_size > FR_PUBLISHED_KEY_MAX) {
        errno = S_ISREG(file.st_mode) ? EFBIG : EINVAL;
        return -1;
    }
    while (len < FR_PUBLISHED_KEY_MAX &&
           (n = read(fd, bytes + len, FR_PUBLISHED_KEY_MAX - len)) > 0)
        len += (size_t)n;
    return n < 0 ? -1 : (ssize_t)len;
}

static EVP_PKEY *published_parse(const char *bytes, size_t len)
{
    BIO *pem = BIO_new_mem_buf(bytes, (int)len);
    EVP_PKEY *key = pem != NULL ? PEM_read_bio_PUBKEY(pem, NULL, fr_no_passphrase, NULL) : NULL;
    char curve[64] = "";

    if (key != NULL)
        EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL);
    if (key != NULL && strcmp(curve, SN_X9_62_prime256v1) != 0) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    BIO_free(pem);
    ERR_clear_error();
    return key;
}

static struct fr_published_key *published_make(EVP_PKEY *key)
{
    struct fr_published_key *made = fr_calloc(1, sizeof *made);

    made->pem = fr_public_key_pem(key);
    made->sha256 = fr_public_key_fingerprint(key);
    if (made->pem != NULL && made->sha256 != NULL)
        return made;
    fr_published_key_free(made);
    return NULL;
}

int fr_published_key_read(const char *path, struct fr_published_key **key, struct fr_error *error)
{
    char bytes[FR_PUBLISHED_KEY_MAX];
    int fd = fr_key_reader_open(path);
    EVP_PKEY *parsed = NULL;
    ssize_t len;

    *key = NULL;
    if (fd < 0 && errno == ENOENT)
        return 0;
    len = fd >= 0 ? published_read_file(fd, bytes) : -1;
    if (len < 0)
        fr_error_set(error, "cannot read %s: %s", path, strerror(errno));
    else if ((parsed = published_parse(bytes, (size_t)len)) == NULL)
        fr_error_set(error,
                     "%s is not the public half of a P-256 key as PEM; `fleetroute key` writes it",
                     path);
    else if ((*key = published_make(parsed)) == NULL)
        fr_error_set(error, "%s: OpenSSL cannot encode the public key", path);
    EVP_PKEY_free(parsed);
    if (fd >= 0)
        close(fd);
    return *key != NULL ? 0 : -1;
}

void fr_published_key_free(struct fr_published_key *key)
{
    if (key == NULL)
        return;
    free(key->pem);
    free(key->sha256);
    free(key);
}
