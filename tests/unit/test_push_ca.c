/* The pushed CA certificates during a renewal: files, which are looked at, what is pushed. */
#include "unit.h"

#include <jansson.h>
#include <openssl/ec.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fleet_api/ca_verify.h"
#include "fleet_api/push_ca.h"
#include "fleet_api/text_digest.h"
#include "sim/test_pki.h"
#include "util/memory.h"

#define HOST "car.example.com"
#define YEAR (365L * 24 * 3600)
#define NOW (INT64_C(1796083200) * 1000)
#define A "5YJ3E1EA7KF000001"
#define B "5YJ3E1EA7KF000002"

static char folder[64];
static struct fr_error error;
static struct fr_state state;
static struct fr_pushed_ca_list list;

struct signer {
    EVP_PKEY *key;
    X509 *certificate;
};

/* All that a test made; teardown() frees them. */
static struct signer signers[16];
static size_t signer_count;
static struct fr_push_plan plan;

/* ---- vehicles and files ------------------------------------------------------------ */

static void setup(void)
{
    strcpy(folder, "/tmp/fr-unit.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    state = (struct fr_state){.projected_usd = -1};
}

static void teardown(void)
{
    char *command = fr_asprintf("rm -rf %s", folder);

    while (signer_count > 0) {
        signer_count--;
        X509_free(signers[signer_count].certificate);
        EVP_PKEY_free(signers[signer_count].key);
    }
    free(plan.ca);
    free(plan.json);
    plan = (struct fr_push_plan){0};
    fr_state_free(&state);
    ck_assert_int_eq(system(command), 0);
    free(command);
}

static struct fr_state_vehicle *vehicle(const char *vin, const char *ca, int64_t pushed_ms)
{
    struct fr_state_vehicle *v = fr_state_vehicle(&state, vin, true);

    v->pushed_ms = v->synced_ms = pushed_ms;
    v->exp_s = NOW / 1000 + 60;
    snprintf(v->ca, sizeof v->ca, "%s", ca);
    return v;
}

static const char *digest_of(int number)
{
    static char digest[65];
    char text[16];

    snprintf(text, sizeof text, "%d", number);
    fr_text_digest(text, digest);
    return digest;
}

START_TEST(vehicles_that_do_not_connect_do_not_count)
{
    struct fr_state_vehicle *first_one = vehicle(A, digest_of(1), NOW - 5);

    strcpy(first_one->former_ca, digest_of(2));
    vehicle(B, digest_of(1), NOW - 3);
    fr_pushed_ca_list(&state, NOW, &list);
    ck_assert_uint_eq(list.count, 2);
    ck_assert_str_eq(list.digests[0], digest_of(1));
    ck_assert_int_eq(list.pushed_ms[0], NOW - 3);
    ck_assert_str_eq(list.digests[1], digest_of(2));
    fr_state_vehicle(&state, A, false)->exp_s = NOW / 1000;
    strcpy(fr_state_vehicle(&state, B, false)->problem, "removed");
    fr_pushed_ca_list(&state, NOW, &list);
    ck_assert_uint_eq(list.count, 0);
    strcpy(fr_state_vehicle(&state, B, false)->problem, "limit_reached");
    fr_pushed_ca_list(&state, NOW, &list);
    ck_assert_uint_eq(list.count, 1);
}
END_TEST

START_TEST(the_oldest_of_many_are_ignored)
{
    char vin[32];

    for (int i = 0; i < 40; i++) {
        snprintf(vin, sizeof vin, "5YJ3E1EA7KF0000%02d", i);
        vehicle(vin, digest_of(i), NOW - 1000 + (i * 7) % 40);
    }
    fr_pushed_ca_list(&state, NOW, &list);
    ck_assert_uint_eq(list.count, FR_PUSHED_CA_MAX);
    for (size_t i = 0; i < list.count; i++)
        ck_assert_int_ge(list.pushed_ms[i], NOW - 1000 + 40 - FR_PUSHED_CA_MAX);
}
END_TEST

START_TEST(files_are_checked_and_removed)
{
    char digest[65], *path, *text;
    struct stat st;

    fr_text_digest("certificates", digest);
    ck_assert_ptr_null(fr_pushed_ca_read(folder, digest));
    ck_assert_int_eq(fr_pushed_ca_write(folder, "certificates", digest, -1, &error), 0);
    text = fr_pushed_ca_read(folder, digest);
    ck_assert_str_eq(text, "certificates");
    free(text);
    path = fr_asprintf("%s/ca-%s.pem", folder, digest);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0640);
    /* Another content and a symbolic link are not taken, and are replaced. */
    ck_assert_int_eq(truncate(path, 5), 0);
    ck_assert_ptr_null(fr_pushed_ca_read(folder, digest));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(symlink("/dev/zero", path), 0);
    ck_assert_ptr_null(fr_pushed_ca_read(folder, digest));
    ck_assert_int_eq(fr_pushed_ca_write(folder, "certificates", digest, -1, &error), 0);
    text = fr_pushed_ca_read(folder, digest);
    ck_assert_ptr_nonnull(text);
    free(text);
    /* Only files of this kind that no vehicle needs are removed. */
    ck_assert_int_eq(fr_pushed_ca_write(folder, "1", digest_of(1), -1, &error), 0);
    ck_assert_int_eq(fr_state_write(folder, &state, NOW, -1, &error), 0);
    vehicle(A, digest, NOW - 5);
    fr_pushed_ca_list(&state, NOW, &list);
    fr_pushed_ca_prune(folder, &list);
    ck_assert_int_eq(access(path, F_OK), 0);
    ck_assert_ptr_null(fr_pushed_ca_read(folder, digest_of(1)));
    free(path);
    path = fr_asprintf("%s/state.json", folder);
    ck_assert_int_eq(access(path, F_OK), 0);
    free(path);
}
END_TEST

/* ---- the plan ---------------------------------------------------------------------- */

static struct signer make(const char *name, const struct signer *by, bool server, long until_s)
{
    struct signer made = {.key = EVP_EC_gen("P-256")};
    struct fr_pki_request request = {.name = name,
                                     .key = made.key,
                                     .issuer = by != NULL ? by->certificate : NULL,
                                     .issuer_key = by != NULL ? by->key : NULL,
                                     .authority = !server,
                                     .usage = server ? "serverAuth" : NULL,
                                     .alternative = server ? "DNS:" HOST : NULL,
                                     .from_s = -2 * YEAR,
                                     .until_s = until_s};

    made.certificate = fr_pki_certificate(&request);
    ck_assert_ptr_nonnull(made.certificate);
    ck_assert_uint_lt(signer_count, sizeof signers / sizeof signers[0]);
    signers[signer_count++] = made;
    return made;
}

/* The PEM text of certificates, in static storage. */
static const char *pem(const struct signer *one, const struct signer *two)
{
    static char *texts[8];
    static unsigned next;
    char **text = &texts[next++ % 8];
    STACK_OF(X509) *all = sk_X509_new_null();

    sk_X509_push(all, one->certificate);
    if (two != NULL)
        sk_X509_push(all, two->certificate);
    free(*text);
    *text = fr_ca_text(all);
    sk_X509_free(all);
    return *text;
}

static struct signer first, second, old, renewed;
static struct fr_server_config server;

/* The renewed certificate is on disk, and vehicle A has the `ca` of the former one. */
static void renew(const char *former)
{
    char digest[65];

    first = make("First", NULL, false, YEAR);
    second = make("Second", NULL, false, YEAR);
    old = make("old", &first, true, YEAR);
    renewed = make("renewed", &second, true, YEAR);
    if (former == NULL)
        former = pem(&first, NULL);
    server = (struct fr_server_config){.tesla = {.folder = folder}};
    plan = (struct fr_push_plan){.server = &server,
                                 .chain = {.certificate = renewed.certificate},
                                 .hostname = HOST,
                                 .ca = fr_strdup(pem(&second, NULL)),
                                 .json = fr_strdup("{\"ca\":\"x\",\"port\":443}")};
    fr_text_digest(plan.ca, plan.ca_sha);
    fr_text_digest(former, digest);
    ck_assert_int_eq(fr_pushed_ca_write(folder, former, digest, -1, &error), 0);
    vehicle(A, digest, NOW - 5);
}

static const char *ca_in(const char *json)
{
    static char text[8192];
    json_t *object = json_loads(json, 0, NULL);

    snprintf(text, sizeof text, "%s", json_string_value(json_object_get(object, "ca")));
    json_decref(object);
    return text;
}

static void keep_served(const char *served)
{
    fr_push_ca_keep_served(&plan, &state, NOW, served);
}

START_TEST(both_roots_are_pushed_while_the_former_certificate_is_served)
{
    char *alone, digest[65];

    renew(NULL);
    ck_assert(!fr_push_ca_accepts(&plan, pem(&first, NULL)));
    ck_assert(fr_push_ca_is_changing(&plan, &state, NOW));
    alone = fr_strdup(plan.ca);
    /* What is no certificate, or is served already, changes nothing. */
    keep_served("");
    keep_served("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    keep_served(pem(&renewed, NULL));
    ck_assert_str_eq(plan.ca, alone);
    keep_served(pem(&old, NULL));
    ck_assert_str_eq(plan.ca, pem(&second, &first));
    ck_assert_str_eq(ca_in(plan.json), plan.ca);
    fr_text_digest(plan.ca, digest);
    ck_assert_str_eq(plan.ca_sha, digest);
    /* Again: nothing is added twice. */
    keep_served(pem(&old, &first));
    ck_assert_str_eq(plan.ca, pem(&second, &first));
    free(alone);
}
END_TEST

START_TEST(only_certificates_that_verify_the_served_one_are_added)
{
    struct signer stranger = make("Stranger", NULL, false, YEAR);
    struct signer of_stranger = make("server", &stranger, true, YEAR);
    struct signer late = make("late", NULL, true, -60);

    renew(NULL);
    keep_served(pem(&of_stranger, &stranger));
    keep_served(pem(&late, NULL));
    ck_assert_str_eq(plan.ca, pem(&second, NULL));
    late = make("late", &first, true, -60);
    keep_served(pem(&late, &first));
    ck_assert_str_eq(plan.ca, pem(&second, NULL));
}
END_TEST

START_TEST(a_pushed_ca_that_verifies_the_file_is_accepted)
{
    struct fr_pushed_ca_list accepted;
    char digest[65], *both;

    renew(NULL);
    fr_push_ca_accepted(&plan, &state, NOW, &accepted);
    ck_assert_uint_eq(accepted.count, 1);
    ck_assert_str_eq(accepted.digests[0], plan.ca_sha);
    both = fr_strdup(pem(&second, &first));
    fr_text_digest(both, digest);
    vehicle(B, digest, NOW - 5);
    ck_assert_int_eq(fr_pushed_ca_write(folder, both, digest, -1, &error), 0);
    fr_push_ca_accepted(&plan, &state, NOW, &accepted);
    ck_assert_uint_eq(accepted.count, 2);
    ck_assert_str_eq(accepted.digests[1], digest);
    plan.hostname = "other.example.com";
    fr_push_ca_accepted(&plan, &state, NOW, &accepted);
    ck_assert_uint_eq(accepted.count, 1);
    free(both);
}
END_TEST

START_TEST(a_vehicle_may_have_another_ca)
{
    json_t *object = json_object();
    char *config, *expected, digest[65], *both;

    renew(NULL);
    both = fr_strdup(pem(&second, &first));
    json_object_set_new(object, "ca", json_string(both));
    config = json_dumps(object, 0);
    fr_push_ca_digest(config, digest);
    expected = fr_push_ca_expected(&plan, config, digest);
    ck_assert_str_eq(ca_in(expected), both);
    free(expected);
    expected = fr_push_ca_expected(&plan, config, NULL);
    ck_assert_str_eq(ca_in(expected), both);
    free(expected);
    expected = fr_push_ca_expected(&plan, config, digest_of(1));
    ck_assert_str_eq(expected, plan.json);
    free(expected);
    json_object_set_new(object, "ca", json_string(pem(&first, NULL)));
    free(config);
    config = json_dumps(object, 0);
    expected = fr_push_ca_expected(&plan, config, NULL);
    ck_assert_str_eq(expected, plan.json);
    free(expected);
    expected = fr_push_ca_expected(&plan, "{\"ca\":7}", NULL);
    ck_assert_str_eq(expected, plan.json);
    free(expected);
    fr_push_ca_digest("{", digest);
    ck_assert_str_eq(digest, "");
    free(config);
    free(both);
    json_decref(object);
}
END_TEST

Suite *suite_push_ca(void)
{
    Suite *suite = suite_create("push_ca");
    TCase *tests = tcase_create("push_ca");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, vehicles_that_do_not_connect_do_not_count);
    tcase_add_test(tests, the_oldest_of_many_are_ignored);
    tcase_add_test(tests, files_are_checked_and_removed);
    tcase_add_test(tests, both_roots_are_pushed_while_the_former_certificate_is_served);
    tcase_add_test(tests, only_certificates_that_verify_the_served_one_are_added);
    tcase_add_test(tests, a_pushed_ca_that_verifies_the_file_is_accepted);
    tcase_add_test(tests, a_vehicle_may_have_another_ca);
    suite_add_tcase(suite, tests);
    return suite;
}
