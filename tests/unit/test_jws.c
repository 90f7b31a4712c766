#include "unit.h"

#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/base64url.h"
#include "fleet_api/canonical_json.h"
#include "fleet_api/jws.h"
#include "fleet_api/ss256.h"
#include "sim/test_pki.h"

static struct fr_error error;

/* The key with this private scalar, in hexadecimal digits. `form`: of the encoded public half. */
static EVP_PKEY *key_of(const char *hex, point_conversion_form_t form)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *point = EC_POINT_new(group);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    BIGNUM *d = NULL;
    unsigned char bytes[65];
    OSSL_PARAM *params;
    EVP_PKEY *key = NULL;
    size_t len;

    ck_assert_int_gt(BN_hex2bn(&d, hex), 0);
    ck_assert(EC_POINT_mul(group, point, d, NULL, NULL, NULL));
    len = EC_POINT_point2oct(group, point, form, bytes, sizeof bytes, NULL);
    OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, d);
    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, bytes, len);
    params = OSSL_PARAM_BLD_to_param(build);
    ck_assert_int_eq(EVP_PKEY_fromdata_init(context), 1);
    ck_assert_int_eq(EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, params), 1);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(context);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    BN_free(d);
    return key;
}

static void hex_of(char *to, const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sprintf(to + 2 * i, "%02x", bytes[i]);
}

/* ---- a verifier that shares no code with ss256.c --------------------------------- */

/* r * G + c * A = V, both coordinates. */
static bool verified(EVP_PKEY *key, const void *input, size_t len, const unsigned char *signature)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *a = EC_POINT_new(group), *sum = EC_POINT_new(group);
    BIGNUM *r = BN_bin2bn(signature + 64, 32, NULL), *c;
    unsigned char parts[3][69], size[4], digest[32], v[65], point[65];
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool good;

    ck_assert_int_eq(fr_ss256_public(key, point, &error), 0);
    ck_assert(EC_POINT_oct2point(group, a, point, 65, NULL));
    memcpy(v, "\4", 1);
    memcpy(v + 1, signature, 64);
    for (int i = 0; i < 3; i++)
        memcpy(parts[i], "\0\0\0\x41", 4);
    EC_POINT_point2oct(group, EC_GROUP_get0_generator(group), POINT_CONVERSION_UNCOMPRESSED,
                       parts[0] + 4, 65, NULL);
    memcpy(parts[1] + 4, v, 65);
    memcpy(parts[2] + 4, point, 65);
    for (int i = 0; i < 4; i++)
        size[i] = (unsigned char)(len >> (24 - 8 * i));
    EVP_DigestInit_ex(hash, EVP_sha256(), NULL);
    EVP_DigestUpdate(hash, parts, sizeof parts);
    EVP_DigestUpdate(hash, size, sizeof size);
    EVP_DigestUpdate(hash, input, len);
    EVP_DigestFinal_ex(hash, digest, NULL);
    c = BN_bin2bn(digest, sizeof digest, NULL);
    good = EC_POINT_mul(group, sum, r, a, c, NULL) &&
           EC_POINT_point2oct(group, sum, POINT_CONVERSION_UNCOMPRESSED, point, 65, NULL) == 65 &&
           memcmp(point, v, 65) == 0;
    BN_free(c);
    BN_free(r);
    EVP_MD_CTX_free(hash);
    EC_POINT_free(a);
    EC_POINT_free(sum);
    EC_GROUP_free(group);
    return good;
}

/* ---- vectors --------------------------------------------------------------------- */

static const char *member(const json_t *vector, const char *key)
{
    const char *text = json_string_value(json_object_get(vector, key));

    ck_assert_msg(text != NULL, "%s", key);
    return text;
}

START_TEST(tokens_equal_the_vectors)
{
    json_error_t problem;
    json_t *vectors = json_load_file(source_file("tests/vectors/jws/vectors.json"), 0, &problem);
    json_t *vector;
    size_t i;

    ck_assert_uint_ge(json_array_size(vectors), 2);
    json_array_foreach(vectors, i, vector)
    {
        EVP_PKEY *key = key_of(member(vector, "private_scalar_hex"), POINT_CONVERSION_UNCOMPRESSED);
        json_t *claims = json_loads(member(vector, "claims_json"), 0, &problem);
        const char *input = member(vector, "signing_input");
        unsigned char signature[FR_SS256_SIGNATURE_BYTES], point[FR_SS256_POINT_BYTES];
        char hex[2 * FR_SS256_SIGNATURE_BYTES + 1], wanted[2 * FR_SS256_SIGNATURE_BYTES + 1];
        char *token, *text;

        ck_assert_int_eq(fr_ss256_public(key, point, &error), 0);
        hex_of(hex, point, sizeof point);
        ck_assert_str_eq(hex, member(vector, "public_key_uncompressed_hex"));
        ck_assert_int_eq(fr_ss256_sign(key, input, strlen(input), signature, &error), 0);
        hex_of(hex, signature, sizeof signature);
        snprintf(wanted, sizeof wanted, "%s%s%s", member(vector, "V_x_hex"),
                 member(vector, "V_y_hex"), member(vector, "r_hex"));
        ck_assert_str_eq(hex, wanted);
        text = fr_canonical_json_text(claims);
        ck_assert_str_eq(text, member(vector, "claims_json"));
        free(text);
        token = fr_jws_sign_config(key, member(vector, "settings_json"),
                                   json_string_value(json_object_get(claims, "aud")), &error);
        ck_assert_msg(token != NULL, "%s", error.text);
        ck_assert_str_eq(token, member(vector, "token"));
        free(token);
        /* iss and aud of the configuration itself are replaced. */
        json_object_set_new(claims, "iss", json_string("another"));
        text = json_dumps(claims, 0);
        token = fr_jws_sign_config(key, text, json_string_value(json_object_get(claims, "aud")),
                                   &error);
        ck_assert_str_eq(token, member(vector, "token"));
        free(token);
        free(text);
        json_decref(claims);
        EVP_PKEY_free(key);
    }
    json_decref(vectors);
}
END_TEST

/* Small, great and random scalars; V.x, V.y and r with leading zero bytes are among the signatures. */
START_TEST(signatures_of_any_key_and_input_are_verified)
{
    static const char *const scalars[] = {
        "1",
        "2",
        "ff",
        "100000000000000000000000000000000",
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550", /* q - 1 */
        "00000000000000000000000000000000000000000000000000000000c0ffee00"};
    unsigned char signature[FR_SS256_SIGNATURE_BYTES], input[300];
    unsigned zeros[3] = {0};

    for (size_t s = 0; s < sizeof scalars / sizeof *scalars; s++) {
        EVP_PKEY *key = key_of(scalars[s], POINT_CONVERSION_UNCOMPRESSED);

        for (size_t len = 0; len < 300; len++) {
            memset(input, (int)(len * 7 + s), sizeof input);
            ck_assert_int_eq(fr_ss256_sign(key, input, len, signature, &error), 0);
            ck_assert_msg(verified(key, input, len, signature), "%s, %zu bytes", scalars[s], len);
            for (int part = 0; part < 3; part++)
                zeros[part] += signature[32 * part] == 0;
            signature[len % 96] ^= 1;
            ck_assert(!verified(key, input, len, signature));
        }
        EVP_PKEY_free(key);
    }
    for (int part = 0; part < 3; part++)
        ck_assert_uint_gt(zeros[part], 0);
}
END_TEST

START_TEST(the_form_of_the_public_half_does_not_matter)
{
    EVP_PKEY *whole = key_of("c0ffee", POINT_CONVERSION_UNCOMPRESSED);
    EVP_PKEY *half = key_of("c0ffee", POINT_CONVERSION_COMPRESSED);
    char *one = fr_jws_issuer(whole, &error), *other = fr_jws_issuer(half, &error);
    char *token = fr_jws_sign(whole, "{}", 2, &error), *same = fr_jws_sign(half, "{}", 2, &error);

    ck_assert_uint_eq(strlen(one), 88);
    ck_assert_str_eq(one, other);
    ck_assert_str_eq(token, same);
    free(one);
    free(other);
    free(token);
    free(same);
    EVP_PKEY_free(whole);
    EVP_PKEY_free(half);
}
END_TEST

static void check_refused(EVP_PKEY *key, const char *part)
{
    ck_assert_ptr_nonnull(key);
    error.text[0] = '\0';
    ck_assert_ptr_null(fr_jws_sign(key, "{}", 2, &error));
    ck_assert_msg(strstr(error.text, part) != NULL && strstr(error.text, "P-256") != NULL, "%s",
                  error.text);
    ck_assert_ptr_null(fr_jws_issuer(key, &error));
    ck_assert_ptr_null(fr_jws_sign_config(key, "{}", FR_JWS_AUDIENCE_FLEET, &error));
    EVP_PKEY_free(key);
}

START_TEST(a_key_of_another_kind_is_named)
{
    check_refused(EVP_EC_gen("P-384"), "secp384r1");
    check_refused(EVP_EC_gen("secp256k1"), "secp256k1");
    check_refused(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "ED25519");
    check_refused(EVP_RSA_gen(1024), "RSA");
}
END_TEST

START_TEST(a_key_without_a_private_half_does_not_sign)
{
    EVP_PKEY *key = key_of("c0ffee", POINT_CONVERSION_UNCOMPRESSED), *half;
    unsigned char *der = NULL;
    const unsigned char *at;
    int len = i2d_PUBKEY(key, &der);

    at = der;
    half = d2i_PUBKEY(NULL, &at, len);
    ck_assert_ptr_null(fr_jws_sign(half, "{}", 2, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "OpenSSL cannot sign"));
    OPENSSL_free(der);
    EVP_PKEY_free(half);
    EVP_PKEY_free(key);
}
END_TEST

START_TEST(a_configuration_that_is_no_object_is_refused)
{
    static const char *const wrong[] = {"", "[]", "5", "null", "{", "{\"a\":1,\"a\":2}", "{} {}"};
    EVP_PKEY *key = key_of("c0ffee", POINT_CONVERSION_UNCOMPRESSED);

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(fr_jws_sign_config(key, wrong[i], FR_JWS_AUDIENCE_FLEET, &error) == NULL,
                      "%s", wrong[i]);
    EVP_PKEY_free(key);
}
END_TEST

/* ---- base64url and the notation of JSON ------------------------------------------ */

START_TEST(base64url_is_read_as_written)
{
    static const char *const wrong[] = {"A", "AAAAA", "AA==", "A+AA", "A/AA", "AA A", "AA\n"};
    unsigned char bytes[70];
    char *text, *back;
    size_t size;

    for (size_t len = 0; len < sizeof bytes; len++) {
        for (size_t i = 0; i < len; i++)
            bytes[i] = (unsigned char)(i * 37 + len * 11);
        text = fr_base64url(bytes, len);
        ck_assert_uint_eq(strlen(text), (len * 4 + 2) / 3);
        ck_assert_uint_eq(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789-_"),
                          strlen(text));
        back = fr_base64url_decode(text, strlen(text), &size);
        ck_assert_uint_eq(size, len);
        ck_assert(memcmp(back, bytes, len) == 0);
        free(text);
        free(back);
    }
    text = fr_base64url("\xfb\xff\xfe", 3);
    ck_assert_str_eq(text, "-__-");
    free(text);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(fr_base64url_decode(wrong[i], strlen(wrong[i]), &size) == NULL, "%s",
                      wrong[i]);
}
END_TEST

START_TEST(json_is_written_as_go_writes_it)
{
    static const char given[] =
        "{\"b\":[1,-2,0.5,1e21,1e-7,100.0,true,false,null,{}],\"a\":\"<&>\","
        "\"\\u00e9\":\"\\u2028\\ud83d\\ude97\\u007f\\n\",\"B\":{\"z\":1,\"y\":2}}";
    static const char wanted[] = "{\"B\":{\"y\":2,\"z\":1},\"a\":\"\\u003c\\u0026\\u003e\","
                                 "\"b\":[1,-2,0.5,1e+21,1e-7,100,true,false,null,{}],"
                                 "\"\xc3\xa9\":\"\\u2028\xf0\x9f\x9a\x97\x7f\\n\"}";
    json_error_t problem;
    json_t *value = json_loads(given, 0, &problem);
    char *text = fr_canonical_json_text(value);

    ck_assert_str_eq(text, wanted);
    free(text);
    json_decref(value);
}
END_TEST

Suite *suite_jws(void)
{
    Suite *suite = suite_create("jws");
    TCase *tests = tcase_create("jws");

    tcase_add_test(tests, tokens_equal_the_vectors);
    tcase_add_test(tests, signatures_of_any_key_and_input_are_verified);
    tcase_add_test(tests, the_form_of_the_public_half_does_not_matter);
    tcase_add_test(tests, a_key_of_another_kind_is_named);
    tcase_add_test(tests, a_key_without_a_private_half_does_not_sign);
    tcase_add_test(tests, a_configuration_that_is_no_object_is_refused);
    tcase_add_test(tests, base64url_is_read_as_written);
    tcase_add_test(tests, json_is_written_as_go_writes_it);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return suite;
}
