#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fleet_api/command_key.h"
#include "fleet_api/public_key.h"
#include "sim/test_pki.h"
#include "util/memory.h"

#define OTHER_UID 65534

static char folder[64];
static char path[128];
static struct fr_error error;

static void setup(void)
{
    strcpy(folder, "/tmp/fr-unit.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/key.pem", folder);
    error.text[0] = '\0';
}

static void teardown(void)
{
    char *command = fr_asprintf("rm -rf %s", folder);

    ck_assert_int_eq(system(command), 0);
    free(command);
}

static unsigned entries(const char *of)
{
    DIR *dir = opendir(of);
    unsigned count = 0;

    ck_assert_ptr_nonnull(dir);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static unsigned mode_of(const char *file)
{
    struct stat st;

    ck_assert_int_eq(stat(file, &st), 0);
    return st.st_mode & 07777;
}

static void write_text(const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
    close(fd);
}

enum encoding { SEC1, PKCS8, SEC1_ENCRYPTED, PKCS8_ENCRYPTED, PUBLIC };

static void write_key(EVP_PKEY *key, enum encoding encoding)
{
    const EVP_CIPHER *cipher =
        encoding == SEC1_ENCRYPTED || encoding == PKCS8_ENCRYPTED ? EVP_aes_128_cbc() : NULL;
    unsigned char *word = cipher != NULL ? (unsigned char *)"word" : NULL;
    int len = cipher != NULL ? 4 : 0, good;
    BIO *file;

    write_text("", 0);
    file = BIO_new_file(path, "w");
    if (encoding == PUBLIC)
        good = PEM_write_bio_PUBKEY(file, key);
    else if (encoding == SEC1 || encoding == SEC1_ENCRYPTED)
        good = PEM_write_bio_PrivateKey_traditional(file, key, cipher, word, len, NULL, NULL);
    else
        good = PEM_write_bio_PKCS8PrivateKey(file, key, cipher, (char *)word, len, NULL, NULL);
    ck_assert_int_eq(good, 1);
    BIO_free(file);
}

static char *public_pem_of_file(void)
{
    EVP_PKEY *key;
    char *pem;

    ck_assert_msg(fr_command_key_read(path, NULL, &key, &error) == FR_COMMAND_KEY_READ, "%s",
                  error.text);
    pem = fr_public_key_pem(key);
    EVP_PKEY_free(key);
    return pem;
}

/* The file is refused with a message that names the file, this cause and this remedy. */
static void check_refused(const char *cause, const char *remedy)
{
    EVP_PKEY *key;

    error.text[0] = '\0';
    ck_assert_int_eq(fr_command_key_read(path, NULL, &key, &error), FR_COMMAND_KEY_REFUSED);
    ck_assert_ptr_null(key);
    ck_assert_msg(strstr(error.text, path) == error.text, "%s", error.text);
    ck_assert_msg(strstr(error.text, cause) != NULL, "%s: %s", cause, error.text);
    ck_assert_msg(strstr(error.text, remedy) != NULL, "%s: %s", remedy, error.text);
}

/* ---- create and read ------------------------------------------------------------- */

START_TEST(a_new_key_is_read_again)
{
    EVP_PKEY *key, *again;
    char *fingerprint, *keys = fr_asprintf("%s/a/keys", folder);
    mode_t mask = umask(022);

    snprintf(path, sizeof path, "%s/command-key.pem", keys);
    ck_assert_int_eq(fr_command_key_read(path, NULL, &key, &error), FR_COMMAND_KEY_MISSING);
    ck_assert_msg(fr_command_key_create(path, NULL, &error) == 0, "%s", error.text);
    umask(mask);
    ck_assert_uint_eq(mode_of(path), 0600);
    ck_assert_uint_eq(mode_of(keys), 0750);
    ck_assert_uint_eq(entries(keys), 1);
    ck_assert_int_eq(fr_command_key_read(path, NULL, &key, &error), FR_COMMAND_KEY_READ);
    ck_assert_int_eq(fr_command_key_read(path, NULL, &again, &error), FR_COMMAND_KEY_READ);
    ck_assert_int_eq(EVP_PKEY_eq(key, again), 1);
    fingerprint = fr_public_key_fingerprint(key);
    ck_assert_uint_eq(strlen(fingerprint), 64);
    EVP_PKEY_free(again);
    EVP_PKEY_free(key);
    free(fingerprint);
    free(keys);
}
END_TEST

START_TEST(the_owner_gets_file_and_folder)
{
    struct fr_file_owner owner = {1234, 2345};
    struct stat st;
    EVP_PKEY *key;
    char *keys = fr_asprintf("%s/keys", folder);

    snprintf(path, sizeof path, "%s/key.pem", keys);
    /* Root of a user namespace may have no other users. */
    if (geteuid() == 0 && chown(folder, 1234, 2345) == 0 && chown(folder, 0, 0) == 0) {
        ck_assert_msg(fr_command_key_create(path, &owner, &error) == 0, "%s", error.text);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert(st.st_uid == 1234 && st.st_gid == 2345 && (st.st_mode & 07777) == 0600);
        ck_assert_int_eq(stat(keys, &st), 0);
        ck_assert(st.st_uid == 0 && st.st_gid == 2345 && (st.st_mode & 07777) == 0750);
        ck_assert_int_eq(fr_command_key_read(path, &owner, &key, &error), FR_COMMAND_KEY_READ);
        EVP_PKEY_free(key);
        check_refused("belongs to another user (uid 1234)", "chown 0 ");
    }
    free(keys);
}
END_TEST

START_TEST(an_existing_file_is_never_replaced)
{
    char *target = fr_asprintf("%s/absent", folder);
    char bytes[8] = "";
    int fd;

    write_text("mine", 4);
    ck_assert_int_eq(fr_command_key_create(path, NULL, &error), -1);
    ck_assert_ptr_nonnull(strstr(error.text, "File exists"));
    fd = open(path, O_RDONLY);
    ck_assert_int_eq(read(fd, bytes, sizeof bytes), 4);
    close(fd);
    ck_assert_str_eq(bytes, "mine");
    unlink(path);
    ck_assert_int_eq(symlink(target, path), 0);
    ck_assert_int_eq(fr_command_key_create(path, NULL, &error), -1);
    ck_assert_int_ne(access(target, F_OK), 0);
    ck_assert_uint_eq(entries(folder), 1);
    free(target);
}
END_TEST

START_TEST(a_failed_write_leaves_nothing)
{
    struct rlimit old, full;
    int status;

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    full = old;
    full.rlim_cur = 16; /* the disk is full in the middle of the key */
    setrlimit(RLIMIT_FSIZE, &full);
    status = fr_command_key_create(path, NULL, &error);
    setrlimit(RLIMIT_FSIZE, &old);
    ck_assert_int_eq(status, -1);
    ck_assert_ptr_nonnull(strstr(error.text, path));
    ck_assert_uint_eq(entries(folder), 0);
}
END_TEST

START_TEST(an_unwritable_folder_is_an_error)
{
    char *below = fr_asprintf("%s/keys/key.pem", folder);
    struct fr_error folder_error = {""};
    bool is_root = geteuid() == 0;

    ck_assert_int_eq(chmod(folder, 0555), 0);
    /* Root of a user namespace may have no other users. */
    if (!is_root || seteuid(OTHER_UID) == 0) {
        int at_folder = fr_command_key_create(below, NULL, &folder_error);
        int at_file = fr_command_key_create(path, NULL, &error);

        if (is_root)
            ck_assert_int_eq(seteuid(0), 0);
        ck_assert_int_eq(at_folder, -1);
        ck_assert_int_eq(at_file, -1);
        ck_assert_ptr_nonnull(strstr(folder_error.text, "Permission denied"));
        ck_assert_ptr_nonnull(strstr(error.text, path));
        ck_assert_ptr_nonnull(strstr(error.text, "Permission denied; run this command as root"));
    }
    chmod(folder, 0755);
    free(below);
}
END_TEST

/* ---- encodings ------------------------------------------------------------------- */

START_TEST(both_encodings_give_the_same_public_key)
{
    static const char parameters[] =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    EVP_PKEY *key = EVP_EC_gen("P-256");
    char *wanted = fr_public_key_pem(key), *got;
    BIO *pem = BIO_new(BIO_s_mem());
    char *bytes;
    long len;

    for (int encoding = SEC1; encoding <= PKCS8; encoding++) {
        write_key(key, (enum encoding)encoding);
        got = public_pem_of_file();
        ck_assert_str_eq(got, wanted);
        free(got);
    }
    /* The output of `openssl ecparam -name prime256v1 -genkey`. */
    BIO_puts(pem, parameters);
    PEM_write_bio_PrivateKey_traditional(pem, key, NULL, NULL, 0, NULL, NULL);
    len = BIO_get_mem_data(pem, &bytes);
    write_text(bytes, (size_t)len);
    got = public_pem_of_file();
    ck_assert_str_eq(got, wanted);
    free(got);
    /* Explicit parameters and a compressed point: Tesla reads neither in a public key. */
    EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, "explicit");
    EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "compressed");
    write_key(key, PKCS8);
    got = public_pem_of_file();
    ck_assert_str_eq(got, wanted);
    free(got);
    free(wanted);
    BIO_free(pem);
    EVP_PKEY_free(key);
}
END_TEST

START_TEST(other_keys_are_refused)
{
    EVP_PKEY *rsa = EVP_RSA_gen(1024), *p384 = EVP_EC_gen("P-384");
    EVP_PKEY *ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), *p256 = EVP_EC_gen("P-256");
    static const char remedy[] = "run `fleetroute key`";
    char *huge = fr_calloc(1, FR_COMMAND_KEY_BYTES_MAX + 1);

    write_key(rsa, PKCS8);
    check_refused("the key is RSA", remedy);
    write_key(rsa, SEC1);
    check_refused("RSA PRIVATE KEY", remedy);
    write_key(p384, SEC1);
    check_refused("secp384r1; vehicles accept only P-256", remedy);
    write_key(p384, PKCS8);
    check_refused("secp384r1; vehicles accept only P-256", remedy);
    write_key(ed25519, PKCS8);
    check_refused("the key is ED25519", remedy);
    write_key(p256, PKCS8_ENCRYPTED);
    check_refused("encrypted", "openssl pkey");
    write_key(p256, SEC1_ENCRYPTED);
    check_refused("encrypted", "openssl pkey");
    write_key(p256, PUBLIC);
    check_refused("PUBLIC KEY", remedy);
    write_text("", 0);
    check_refused("empty", "delete it and run `fleetroute key`");
    write_text("no key\n", 7);
    check_refused("no private key in PEM", remedy);
    write_text("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", 66);
    check_refused("damaged", remedy);
    write_text(huge, FR_COMMAND_KEY_BYTES_MAX + 1);
    check_refused("more than 16384 bytes", remedy);
    free(huge);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(p384);
    EVP_PKEY_free(ed25519);
    EVP_PKEY_free(p256);
}
END_TEST

START_TEST(a_public_half_of_another_key_is_refused)
{
    EVP_PKEY *a = EVP_EC_gen("P-256"), *b = EVP_EC_gen("P-256");
    unsigned char *der_a = NULL, *der_b = NULL;
    int len_a = i2d_PrivateKey(a, &der_a), len_b = i2d_PrivateKey(b, &der_b);
    BIO *file;

    /* SEC1 ends with the 64 bytes of the point. */
    ck_assert_int_eq(len_a, len_b);
    memcpy(der_a + len_a - 64, der_b + len_b - 64, 64);
    write_text("", 0);
    file = BIO_new_file(path, "w");
    PEM_write_bio(file, "EC PRIVATE KEY", "", der_a, len_a);
    BIO_free(file);
    check_refused("does not belong to the private half", "restore the file");
    OPENSSL_free(der_a);
    OPENSSL_free(der_b);
    EVP_PKEY_free(a);
    EVP_PKEY_free(b);
}
END_TEST

START_TEST(access_by_others_is_refused)
{
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610, 0666};
    char *remedy = fr_asprintf("chmod 600 %s", path);

    ck_assert_int_eq(fr_command_key_create(path, NULL, &error), 0);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        chmod(path, modes[i]);
        check_refused("other users have access", remedy);
    }
    chmod(path, 0400);
    free(public_pem_of_file());
    unlink(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    check_refused("not a regular file", "another path");
    unlink(path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    check_refused("not a regular file", "another path");
    free(remedy);
}
END_TEST

/* ---- TLS key --------------------------------------------------------------------- */

START_TEST(the_tls_key_is_refused)
{
    EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
    struct fr_pki_request request = {.name = "localhost", .key = key, .until_s = 3600};
    X509 *certificate = fr_pki_certificate(&request);
    char *tls = fr_asprintf("%s/tls.key", folder), *crt = fr_asprintf("%s/tls.pem", folder);
    char *indirect = fr_asprintf("%s/../%s/key.pem", folder, strrchr(folder, '/') + 1);
    BIO *file = BIO_new_file(crt, "w");

    PEM_write_bio_X509(file, certificate);
    BIO_free(file);
    ck_assert_int_eq(fr_public_key_check_path(path, NULL, &error), 0);
    ck_assert_int_eq(fr_public_key_check_path(path, tls, &error), 0);
    ck_assert_int_eq(fr_public_key_check_path(path, path, &error), -1);
    ck_assert_int_eq(fr_public_key_check_path(path, indirect, &error),
                     -1); /* neither file exists */
    write_key(key, PKCS8);
    ck_assert_int_eq(symlink(path, tls), 0);
    ck_assert_int_eq(fr_public_key_check_path(path, tls, &error), -1);
    ck_assert_int_eq(fr_public_key_check_tls(key, path, NULL, NULL, &error), 0);
    ck_assert_int_eq(fr_public_key_check_tls(key, path, path, NULL, &error), -1);
    ck_assert_int_eq(fr_public_key_check_tls(key, path, folder, crt, &error), -1);
    ck_assert_ptr_nonnull(strstr(error.text, crt));
    ck_assert_int_eq(fr_public_key_check_tls(other, path, path, crt, &error), 0);
    write_key(key, PKCS8_ENCRYPTED); /* no question for the passphrase */
    ck_assert_int_eq(fr_public_key_check_tls(key, path, path, NULL, &error), 0);
    free(tls);
    free(crt);
    free(indirect);
    X509_free(certificate);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}
END_TEST

/* ---- the file for a web server -------------------------------------------------- */

START_TEST(the_public_key_is_written_for_a_web_server)
{
    char *absent = fr_asprintf("%s/absent", folder);
    mode_t mask = umask(077);
    char *first = fr_public_key_write(folder, "one\n", &error);
    char *second = fr_public_key_write(folder, "second\n", &error);
    char *inner = fr_path_folder(first), *outer = fr_path_folder(inner);
    struct stat st;

    umask(mask);
    ck_assert_str_eq(first, second);
    ck_assert_ptr_nonnull(strstr(first, "/.well-known/appspecific/com.tesla.3p.public-key.pem"));
    ck_assert_int_eq(stat(first, &st), 0);
    ck_assert_int_eq(st.st_size, 7);
    ck_assert_uint_eq(mode_of(first), 0644);
    ck_assert_uint_eq(mode_of(inner), 0755);
    ck_assert_uint_eq(mode_of(outer), 0755);
    ck_assert_uint_eq(entries(inner), 1);
    ck_assert_ptr_null(fr_public_key_write(absent, "x", &error));
    ck_assert_ptr_nonnull(strstr(error.text, "create the folder of the web server first"));
    free(first);
    free(second);
    free(inner);
    free(outer);
    free(absent);
}
END_TEST

Suite *suite_command_key(void)
{
    Suite *suite = suite_create("command_key");
    TCase *tests = tcase_create("command_key");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_new_key_is_read_again);
    tcase_add_test(tests, the_owner_gets_file_and_folder);
    tcase_add_test(tests, an_existing_file_is_never_replaced);
    tcase_add_test(tests, a_failed_write_leaves_nothing);
    tcase_add_test(tests, an_unwritable_folder_is_an_error);
    tcase_add_test(tests, both_encodings_give_the_same_public_key);
    tcase_add_test(tests, other_keys_are_refused);
    tcase_add_test(tests, a_public_half_of_another_key_is_refused);
    tcase_add_test(tests, access_by_others_is_refused);
    tcase_add_test(tests, the_tls_key_is_refused);
    tcase_add_test(tests, the_public_key_is_written_for_a_web_server);
    suite_add_tcase(suite, tests);
    return suite;
}
