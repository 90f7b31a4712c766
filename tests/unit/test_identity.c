/* Client certificates: the identity of a certificate, and chains that other servers misjudge. */
#include "unit.h"

#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ingest/identity.h"
#include "ingest/tls.h"
#include "ingest/tls_stream.h"
#include "sim/test_pki.h"

#define VIN "5YJ3E1EA7KF000001"
#define TESLA "1.3.6.1.4.1.49279.2."
#define DAY 86400L

static EVP_PKEY *key;

static void set_up(void)
{
    key = EVP_EC_gen("P-256");
}

static void tear_down(void)
{
    EVP_PKEY_free(key);
}

static X509 *make(const char *name, const char *unit, X509 *issuer, bool authority,
                  const char *usage, long until_days)
{
    struct fr_pki_request wish = {.name = name,
                                  .unit = unit,
                                  .key = key,
                                  .issuer = issuer,
                                  .issuer_key = key,
                                  .authority = authority,
                                  .usage = usage,
                                  .from_s = -400 * DAY,
                                  .until_s = until_days * DAY};
    X509 *certificate = fr_pki_certificate(&wish);

    ck_assert_ptr_nonnull(certificate);
    return certificate;
}

START_TEST(certificates_have_identities)
{
    static const struct {
        const char *issuer, *name, *unit, *usage, *id, *type;
    } cases[] = {
        {"Tesla Motors Product Issuing CA", VIN, NULL, "clientAuth," TESLA "5.1", VIN,
         "vehicle_device"},
        {"Tesla Motors GF3 Product RSA Issuing CA", VIN, NULL, "clientAuth," TESLA "4.1", VIN,
         "vehicle_device"},
        {"Tesla Motors Product Issuing CA", "a.b.c", NULL, "clientAuth," TESLA "5.11", "a-b-c",
         "vehicle_board_device"},
        {"Tesla Energy Product Issuing CA", "E1", NULL, "clientAuth," TESLA "5.2", "E1",
         "energy_device"},
        {"Tesla Energy Product Issuing CA", "E1", "Gen3 Wall Connector", "clientAuth," TESLA "5.2",
         "E1", "wall_connector_device"},
        {"Tesla Motors Product Issuing CA", VIN, NULL, "anyExtendedKeyUsage," TESLA "5.1", VIN,
         "vehicle_device"},
        {"Tesla Motors Product Issuing CA", VIN, NULL, "clientAuth," TESLA "5.1.1," TESLA "5.1",
         NULL, NULL}, /* the Wi-Fi certificate */
        {"Tesla Motors Product Issuing CA", VIN, NULL, "clientAuth", NULL, NULL},
        {"Tesla Motors Product Issuing CA", VIN, NULL, "serverAuth," TESLA "5.1", NULL, NULL},
        {"Tesla Motors Products CA", VIN, NULL, NULL, VIN, "vehicle_device"},
        {"Tesla Motors Products CA", VIN, "Tesla Motors SN", NULL, VIN, "vehicle_board_device"},
        {"TeslaMotors", VIN, NULL, "clientAuth", VIN, "vehicle_device"},
        {"Another CA", VIN, NULL, "clientAuth," TESLA "5.1", NULL, NULL},
        {"TeslaMotors", "../../etc", NULL, NULL, NULL, NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        X509 *ca = make(cases[i].issuer, NULL, NULL, true, NULL, 100);
        X509 *leaf = make(cases[i].name, cases[i].unit, ca, false, cases[i].usage, 100);
        struct fr_identity identity;
        struct fr_error error = {""};
        int status = fr_identity_of(leaf, &identity, &error);

        ck_assert_msg((status == 0) == (cases[i].id != NULL), "case %zu: %s", i, error.text);
        if (status == 0) {
            ck_assert_str_eq(identity.id, cases[i].id);
            ck_assert_str_eq(identity.type, cases[i].type);
        }
        X509_free(leaf);
        X509_free(ca);
    }
}
END_TEST

/* Which of two names Go or another program takes differs. */
START_TEST(two_common_names_are_refused)
{
    static const char *const second[] = {"5YJ3E1EA7KF000002", VIN};

    for (size_t i = 0; i < 2; i++)
        for (int of_issuer = 0; of_issuer < 2; of_issuer++) {
            X509 *ca = make("TeslaMotors", NULL, NULL, true, NULL, 100);
            X509 *leaf = make(VIN, NULL, ca, false, NULL, 100);
            X509_NAME *name = of_issuer ? X509_get_issuer_name(leaf) : X509_get_subject_name(leaf);
            struct fr_identity identity;
            struct fr_error error = {""};

            ck_assert_int_eq(fr_identity_of(leaf, &identity, &error), 0);
            X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)second[i],
                                       -1, -1, 0);
            ck_assert_int_eq(fr_identity_of(leaf, &identity, &error), -1);
            ck_assert_ptr_nonnull(strstr(error.text, "ambiguous"));
            X509_free(leaf);
            X509_free(ca);
        }
}
END_TEST

/* ---- handshakes ------------------------------------------------------------------ */

struct side {
    struct fr_tls_stream stream;
    struct fr_buffer out;
};

static int step(struct side *from, struct side *to, int accept)
{
    int status;

    from->stream.in = to->out.bytes;
    from->stream.in_len = to->out.len;
    from->stream.out = &from->out;
    status = accept ? SSL_accept(from->stream.ssl) : SSL_connect(from->stream.ssl);
    fr_buffer_clear(&to->out);
    return status;
}

static void write_pem(char *path, X509 **certificates, EVP_PKEY *secret)
{
    FILE *file;
    int fd;

    strcpy(path, "/tmp/fr-unit.XXXXXX");
    fd = mkstemp(path);
    file = fdopen(fd, "w");
    for (; certificates != NULL && *certificates != NULL; certificates++)
        PEM_write_X509(file, *certificates);
    if (secret != NULL)
        PEM_write_PrivateKey(file, secret, NULL, NULL, 0, NULL, NULL);
    fclose(file);
}

/* Returns whether a server with the CA bundle `anchors` accepts the client chain `chain`. */
static bool is_accepted(X509 **anchors, X509 **chain)
{
    X509 *own = make("server", NULL, NULL, false, "serverAuth", 100);
    char certificate[32], secret[32], bundle[32];
    struct fr_tls_files files = {certificate, secret, bundle, NULL};
    struct side server = {0}, client = {0};
    struct fr_error error = {""};
    SSL_CTX *context, *clients = SSL_CTX_new(TLS_client_method());
    int done = 0;

    write_pem(certificate, (X509 *[]){own, NULL}, NULL);
    write_pem(secret, NULL, key);
    write_pem(bundle, anchors, NULL);
    context = fr_tls_context(&files, &error);
    ck_assert_msg(context != NULL, "%s", error.text);
    SSL_CTX_use_certificate(clients, chain[0]);
    SSL_CTX_use_PrivateKey(clients, key);
    for (size_t i = 1; chain[i] != NULL; i++)
        SSL_CTX_add1_chain_cert(clients, chain[i]);
    fr_tls_stream_open(&server.stream, context, 0);
    fr_tls_stream_open(&client.stream, clients, 1);
    for (int i = 0; i < 10 && done != 1; i++) {
        step(&client, &server, 0);
        done = step(&server, &client, 1);
    }
    fr_tls_stream_close(&server.stream);
    fr_tls_stream_close(&client.stream);
    fr_buffer_free(&server.out);
    fr_buffer_free(&client.out);
    SSL_CTX_free(context);
    SSL_CTX_free(clients);
    X509_free(own);
    unlink(certificate);
    unlink(secret);
    unlink(bundle);
    return done == 1;
}

/* "Tesla Motors Products CA": by default, OpenSSL rejects the purpose of this CA. */
START_TEST(ca_with_any_extended_key_usage_is_accepted)
{
    X509 *root = make("Tesla Motors Root CA", NULL, NULL, true, NULL, 100);
    X509 *ca = make("Tesla Motors Products CA", NULL, root, true, "anyExtendedKeyUsage", 100);
    X509 *leaf = make(VIN, NULL, ca, false, "clientAuth", 100);

    ck_assert(is_accepted((X509 *[]){root, ca, NULL}, (X509 *[]){leaf, NULL}));
    ck_assert(is_accepted((X509 *[]){root, NULL}, (X509 *[]){leaf, ca, NULL}));
    X509_free(leaf);
    X509_free(ca);
    X509_free(root);
}
END_TEST

/* Each certificate of a chain must allow client authentication, also the anchor. */
START_TEST(extended_key_usages_are_nested)
{
    static const struct {
        const char *usage;
        bool accepted;
    } cases[] = {{NULL, true},
                 {"clientAuth", true},
                 {"anyExtendedKeyUsage", true},
                 {"serverAuth,clientAuth", true},
                 {"serverAuth", false},
                 {"codeSigning," TESLA "5.1", false},
                 {TESLA "5.1", false}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *usage = cases[i].usage;
        X509 *root = make("root", NULL, NULL, true, NULL, 100);
        X509 *limited = make("limited root", NULL, NULL, true, usage, 100);
        X509 *ca = make("Tesla Issuing CA", NULL, root, true, usage, 100);
        X509 *twin = make("Tesla Issuing CA", NULL, root, true, NULL, 100);
        X509 *of_limited = make("Tesla Issuing CA", NULL, limited, true, NULL, 100);
        X509 *leaf = make(VIN, NULL, ca, false, "clientAuth", 100);
        X509 *self = make(VIN, NULL, root, false, usage, 100);

        ck_assert_int_eq(is_accepted((X509 *[]){root, NULL}, (X509 *[]){leaf, ca, NULL}),
                         cases[i].accepted);
        ck_assert_int_eq(is_accepted((X509 *[]){ca, NULL}, (X509 *[]){leaf, NULL}),
                         cases[i].accepted);
        ck_assert_int_eq(is_accepted((X509 *[]){limited, NULL}, (X509 *[]){leaf, of_limited, NULL}),
                         cases[i].accepted);
        ck_assert_int_eq(is_accepted((X509 *[]){root, NULL}, (X509 *[]){self, NULL}),
                         cases[i].accepted);
        /* Another certificate of the same CA makes the chain valid. */
        ck_assert(is_accepted((X509 *[]){root, NULL}, (X509 *[]){leaf, ca, twin, NULL}));
        ck_assert(is_accepted((X509 *[]){ca, twin, NULL}, (X509 *[]){leaf, NULL}));
        X509_free(self);
        X509_free(leaf);
        X509_free(of_limited);
        X509_free(twin);
        X509_free(ca);
        X509_free(limited);
        X509_free(root);
    }
}
END_TEST

START_TEST(intermediate_ca_is_a_trust_anchor)
{
    X509 *root = make("Tesla Product Root CA", NULL, NULL, true, NULL, 100);
    X509 *ca = make("Tesla Motors Product Issuing CA", NULL, root, true, NULL, 100);
    X509 *leaf = make(VIN, NULL, ca, false, "clientAuth," TESLA "5.1", 100);

    ck_assert(is_accepted((X509 *[]){ca, NULL}, (X509 *[]){leaf, NULL}));
    X509_free(leaf);
    X509_free(ca);
    X509_free(root);
}
END_TEST

START_TEST(expired_ca_in_the_bundle_is_ignored)
{
    X509 *old = make("Tesla Issuing CA", NULL, NULL, true, NULL, -1);
    X509 *ca = make("Tesla Motors Product Issuing CA", NULL, NULL, true, NULL, 100);
    X509 *leaf = make(VIN, NULL, ca, false, "clientAuth," TESLA "5.1", 100);
    X509 *leaf_of_old = make(VIN, NULL, old, false, "clientAuth", 100);

    ck_assert(is_accepted((X509 *[]){old, ca, NULL}, (X509 *[]){leaf, NULL}));
    ck_assert(!is_accepted((X509 *[]){old, ca, NULL}, (X509 *[]){leaf_of_old, NULL}));
    X509_free(leaf_of_old);
    X509_free(leaf);
    X509_free(ca);
    X509_free(old);
}
END_TEST

START_TEST(expired_and_self_signed_certificates_are_rejected)
{
    X509 *ca = make("Tesla Motors Product Issuing CA", NULL, NULL, true, NULL, 100);
    X509 *leaf = make(VIN, NULL, ca, false, "clientAuth," TESLA "5.1", -1);
    X509 *self = make(VIN, NULL, NULL, false, "clientAuth," TESLA "5.1", 100);

    ck_assert(!is_accepted((X509 *[]){ca, NULL}, (X509 *[]){leaf, NULL})); /* expired */
    ck_assert(!is_accepted((X509 *[]){ca, NULL}, (X509 *[]){self, NULL}));
    X509_free(self);
    X509_free(leaf);
    X509_free(ca);
}
END_TEST

Suite *suite_identity(void)
{
    Suite *suite = suite_create("identity");
    TCase *tests = tcase_create("identity");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, certificates_have_identities);
    tcase_add_test(tests, two_common_names_are_refused);
    tcase_add_test(tests, extended_key_usages_are_nested);
    tcase_add_test(tests, ca_with_any_extended_key_usage_is_accepted);
    tcase_add_test(tests, intermediate_ca_is_a_trust_anchor);
    tcase_add_test(tests, expired_ca_in_the_bundle_is_ignored);
    tcase_add_test(tests, expired_and_self_signed_certificates_are_rejected);
    suite_add_tcase(suite, tests);
    return suite;
}
