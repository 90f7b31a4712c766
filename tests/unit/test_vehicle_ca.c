/* The CA certificates for vehicles: which are taken, and when a server's certificate is refused. */
#include "unit.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/vehicle_ca.h"
#include "sim/test_pki.h"
#include "util/memory.h"

#define HOST "car.example.com"
#define YEAR (365L * 24 * 3600)

static char folder[64];
static struct fr_error error;
static struct fr_vehicle_ca_entry entries[FR_VEHICLE_CA_MAX];

struct signer {
    EVP_PKEY *key;
    X509 *certificate;
};

static struct signer root, next, middle;

/* All that a test made; teardown() frees them. */
static EVP_PKEY *keys[16];
static X509 *certificates[16];
static size_t key_count, certificate_count;

static EVP_PKEY *make_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");

    ck_assert_ptr_nonnull(key);
    ck_assert_uint_lt(key_count, sizeof keys / sizeof keys[0]);
    keys[key_count++] = key;
    return key;
}

static X509 *make(const char *name, EVP_PKEY *key, const struct signer *by, const char *host,
                  long until_s)
{
    struct fr_pki_request request = {.name = name,
                                     .key = key,
                                     .issuer = by != NULL ? by->certificate : NULL,
                                     .issuer_key = by != NULL ? by->key : NULL,
                                     .authority = host == NULL,
                                     .usage = host != NULL ? "serverAuth" : NULL,
                                     .alternative = host,
                                     .from_s = -2 * YEAR,
                                     .until_s = until_s};
    X509 *certificate = fr_pki_certificate(&request);

    ck_assert_ptr_nonnull(certificate);
    ck_assert_uint_lt(certificate_count, sizeof certificates / sizeof certificates[0]);
    certificates[certificate_count++] = certificate;
    return certificate;
}

static struct signer authority(const char *name, const struct signer *by)
{
    struct signer made = {.key = make_key()};

    made.certificate = make(name, made.key, by, NULL, YEAR);
    return made;
}

/* Write certificates, up to NULL, to a file; returns its path. */
static const char *save(const char *name, ...)
{
    static char paths[8][128];
    static unsigned next_path;
    char *path = paths[next_path++ % 8];
    X509 *certificate;
    va_list ap;
    FILE *file;

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    va_start(ap, name);
    while ((certificate = va_arg(ap, X509 *)) != NULL)
        ck_assert_int_eq(PEM_write_X509(file, certificate), 1);
    va_end(ap);
    fclose(file);
    return path;
}

static X509 *leaf(const struct signer *by, long until_s)
{
    EVP_PKEY *key = make_key();

    return make("server", key, by, "DNS:" HOST, until_s);
}

static void setup(void)
{
    strcpy(folder, "/tmp/fr-unit.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    root = authority("Root", NULL);
    next = authority("Next Root", NULL);
    middle = authority("Middle", &root);
    setenv("SSL_CERT_DIR", "/nonexistent", 1);
    setenv("SSL_CERT_FILE", save("system.pem", root.certificate, NULL), 1);
}

static void teardown(void)
{
    char *command = fr_asprintf("rm -rf %s", folder);

    while (key_count > 0)
        EVP_PKEY_free(keys[--key_count]);
    while (certificate_count > 0)
        X509_free(certificates[--certificate_count]);
    ck_assert_int_eq(system(command), 0);
    free(command);
}

/* The names of `ca` for the server's file, separated by commas; NULL: refused. */
static const char *names(const char *server, const char *ca, const char *host)
{
    static char text[512];
    struct fr_server_chain chain;
    char *pem;
    size_t count;

    ck_assert_int_eq(fr_server_chain_load(&chain, server, &error), 0);
    pem = fr_vehicle_ca_make(&chain, ca, host, &error);
    fr_server_chain_free(&chain);
    if (pem == NULL)
        return NULL;
    count = fr_vehicle_ca_entries(pem, entries);
    free(pem);
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        strcat(text, i > 0 ? ", " : "");
        strcat(text, entries[i].name);
        strcat(text, entries[i].is_root ? "*" : "");
    }
    return text;
}

static void check_refused(const char *server, const char *ca, const char *host, const char *words)
{
    ck_assert_ptr_null(names(server, ca, host));
    ck_assert_msg(strstr(error.text, words) != NULL, "%s", error.text);
}

START_TEST(the_chain_of_a_public_ca_is_completed)
{
    X509 *server = leaf(&middle, YEAR);
    const char *file = save("a.pem", server, middle.certificate, NULL);

    ck_assert_str_eq(names(file, NULL, HOST), "Middle, Root*");
    ck_assert_int_gt(entries[1].expires_s, 1700000000);
    /* The root in the file changes nothing, and an unrelated CA is not taken. */
    file = save("b.pem", server, middle.certificate, next.certificate, root.certificate, NULL);
    ck_assert_str_eq(names(file, NULL, HOST), "Middle, Root*");
}
END_TEST

START_TEST(the_roots_of_the_system_can_be_a_folder)
{
    X509 *server = leaf(&middle, YEAR);
    const char *file = save("a.pem", server, middle.certificate, NULL);
    char name[32];

    snprintf(name, sizeof name, "%08lx.0",
             X509_NAME_hash_ex(X509_get_subject_name(root.certificate), NULL, NULL, NULL));
    save(name, root.certificate, NULL);
    setenv("SSL_CERT_FILE", "/nonexistent", 1);
    setenv("SSL_CERT_DIR", folder, 1);
    ck_assert_str_eq(names(file, NULL, HOST), "Middle, Root*");
    ck_assert_str_eq(names(file, save("next.pem", next.certificate, NULL), HOST),
                     "Next Root*, Middle, Root*");
}
END_TEST

START_TEST(a_private_ca_needs_the_consent_of_the_owner)
{
    X509 *server = leaf(&middle, YEAR);
    const char *file = save("a.pem", server, middle.certificate, root.certificate, NULL);
    const char *mine = save("mine.pem", root.certificate, NULL);
    const char *other = save("other.pem", next.certificate, NULL);
    EVP_PKEY *key = make_key();
    X509 *alone = make("alone", key, NULL, "DNS:" HOST, YEAR);

    setenv("SSL_CERT_FILE", "/nonexistent", 1);
    check_refused(file, NULL, HOST, "private CA");
    check_refused(file, NULL, HOST, "\"Root\"");
    ck_assert_str_eq(names(file, mine, HOST), "Root*, Middle");
    check_refused(file, other, HOST, "add its root to the file");
    check_refused(file, "/nonexistent/ca.pem", HOST, "No such file");
    /* A self-signed server certificate is its own root. */
    file = save("b.pem", alone, NULL);
    check_refused(file, NULL, HOST, "private CA");
    ck_assert_str_eq(names(file, file, HOST), "alone*");
}
END_TEST

START_TEST(old_and_new_roots_are_sent_together)
{
    X509 *server = leaf(&middle, YEAR);
    const char *file = save("a.pem", server, middle.certificate, NULL);

    ck_assert_str_eq(names(file, save("next.pem", next.certificate, NULL), HOST),
                     "Next Root*, Middle, Root*");
}
END_TEST

START_TEST(each_path_to_a_root_is_sent)
{
    struct signer young = authority("Young", NULL);
    X509 *crossed = make("Young", young.key, &root, NULL, YEAR);
    X509 *expired = make("Young", young.key, &next, NULL, -YEAR);
    X509 *server = leaf(&young, YEAR);
    const char *file = save("a.pem", server, crossed, expired, NULL);

    setenv("SSL_CERT_FILE", save("s.pem", root.certificate, young.certificate, NULL), 1);
    ck_assert_str_eq(names(file, NULL, HOST), "Young, Young*, Root*");
    setenv("SSL_CERT_FILE", save("s.pem", root.certificate, NULL), 1);
    ck_assert_str_eq(names(file, NULL, HOST), "Young, Root*");
}
END_TEST

/* A root with an organisation. */
static struct signer root_of(const char *name, const char *organisation, long until_s)
{
    struct signer made = {.key = make_key()};
    X509_NAME *subject;

    made.certificate = make(name, made.key, NULL, NULL, until_s);
    subject = X509_NAME_dup(X509_get_subject_name(made.certificate));
    X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC, (const unsigned char *)organisation, -1,
                               -1, 0);
    X509_set_subject_name(made.certificate, subject);
    X509_set_issuer_name(made.certificate, subject);
    ck_assert_int_gt(X509_sign(made.certificate, made.key, EVP_sha256()), 0);
    X509_NAME_free(subject);
    return made;
}

START_TEST(the_other_roots_of_the_ca_are_sent)
{
    struct signer one = root_of("One", "A CA", YEAR), two = root_of("Two", "A CA", YEAR);
    struct signer other = root_of("Other", "B CA", YEAR), old = root_of("Old", "A CA", -60);
    const char *file = save("a.pem", leaf(&one, YEAR), one.certificate, NULL), *mine;

    setenv(
        "SSL_CERT_FILE",
        save("s.pem", old.certificate, two.certificate, other.certificate, one.certificate, NULL),
        1);
    ck_assert_str_eq(names(file, NULL, HOST), "One*, Two*");
    /* A private root with the name of a public CA gets none of its roots. */
    setenv("SSL_CERT_FILE", save("s.pem", two.certificate, other.certificate, NULL), 1);
    mine = save("mine.pem", one.certificate, NULL);
    ck_assert_str_eq(names(file, mine, HOST), "One*");
}
END_TEST

START_TEST(certificates_that_vehicles_reject_are_refused)
{
    X509 *forged;
    struct signer impostor = authority("Middle", &next);
    const char *file = save("a.pem", leaf(&middle, YEAR), middle.certificate, NULL);

    check_refused(file, NULL, "other.example.com", "other.example.com");
    check_refused(file, NULL, "", "host name");
    check_refused(save("b.pem", leaf(&middle, -60), middle.certificate, NULL), NULL, HOST,
                  "expired");
    /* Signed by another CA with the same name: the chain does not end at a known root. */
    forged = leaf(&impostor, YEAR);
    check_refused(save("c.pem", forged, impostor.certificate, NULL), NULL, HOST, "private CA");
    /* The intermediate is missing. */
    setenv("SSL_CERT_FILE", save("s.pem", root.certificate, NULL), 1);
    file = save("d.pem", leaf(&middle, YEAR), next.certificate, NULL);
    check_refused(file, NULL, HOST, "incomplete");
}
END_TEST

Suite *suite_vehicle_ca(void)
{
    Suite *suite = suite_create("vehicle_ca");
    TCase *tests = tcase_create("vehicle_ca");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, the_chain_of_a_public_ca_is_completed);
    tcase_add_test(tests, the_roots_of_the_system_can_be_a_folder);
    tcase_add_test(tests, a_private_ca_needs_the_consent_of_the_owner);
    tcase_add_test(tests, old_and_new_roots_are_sent_together);
    tcase_add_test(tests, each_path_to_a_root_is_sent);
    tcase_add_test(tests, the_other_roots_of_the_ca_are_sent);
    tcase_add_test(tests, certificates_that_vehicles_reject_are_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
