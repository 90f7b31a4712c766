/* Signs with Tesla.SS256, for implementations that are not ours to verify:
 *
 *     jws_sign COUNT [SEED]     random keys and payloads; the same SEED gives the same lines
 *     jws_sign KEY.pem AUDIENCE <CONFIG.json      a telemetry configuration
 *     jws_sign SCALAR_HEX AUDIENCE <CONFIG.json   the same with a private scalar of 64 digits
 *
 * Prints a line "PUBKEY_B64<TAB>TOKEN" for each token; PUBKEY_B64 is base64 of the uncompressed point. */
#include <ctype.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/command_key.h"
#include "fleet_api/jws.h"
#include "util/json_text.h"

#define CONFIG_MAX 1000000

/* SplitMix64: reproducible, and good enough for test data. */
static uint64_t random_state;

static uint64_t random_next(void)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* The key with a private scalar, or NULL if the scalar is not in 1 to q - 1. */
static EVP_PKEY *key_of(const unsigned char scalar[32])
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    BIGNUM *d = BN_bin2bn(scalar, 32, NULL);
    EC_POINT *point = EC_POINT_new(group);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    unsigned char bytes[65];
    OSSL_PARAM *params = NULL;
    EVP_PKEY *key = NULL;

    if (!BN_is_zero(d) && BN_cmp(d, EC_GROUP_get0_order(group)) < 0 &&
        EC_POINT_mul(group, point, d, NULL, NULL, NULL) &&
        EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, bytes, 65, NULL) == 65 &&
        OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, d) &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, bytes, 65) &&
        (params = OSSL_PARAM_BLD_to_param(build)) != NULL && EVP_PKEY_fromdata_init(context) == 1)
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, params);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(context);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    BN_free(d);
    return key;
}

static void print_token(EVP_PKEY *key, char *token, const struct fr_error *error)
{
    struct fr_error other;
    char *issuer = fr_jws_issuer(key, &other);

    if (token == NULL || issuer == NULL) {
        fprintf(stderr, "%s\n", token == NULL ? error->text : other.text);
        exit(EXIT_FAILURE);
    }
    printf("%s\t%s\n", issuer, token);
    free(issuer);
    free(token);
}

/* A random scalar; each fourth one has leading zero bytes. */
static EVP_PKEY *random_key(void)
{
    unsigned char scalar[32];
    EVP_PKEY *key;

    do {
        for (size_t i = 0; i < sizeof scalar; i++)
            scalar[i] = (unsigned char)random_next();
        if (random_next() % 4 == 0)
            memset(scalar, 0, 1 + random_next() % 30);
    } while ((key = key_of(scalar)) == NULL);
    return key;
}

/* A random configuration with text of any bytes; sometimes a long one. */
static void random_config(struct fr_buffer *out)
{
    size_t len = (size_t)(random_next() % (random_next() % 64 == 0 ? 20000 : 200));
    char *text = malloc(len + 1);

    if (text == NULL)
        abort();
    for (size_t i = 0; i < len; i++)
        text[i] = (char)(1 + random_next() % 255);
    fr_buffer_printf(out, "{\"exp\":%llu,\"port\":%u,\"delta\":%u.%u,\"hostname\":",
                     4000000000ULL + (unsigned long long)(random_next() % 1000000),
                     (unsigned)(random_next() % 65536), (unsigned)(random_next() % 1000),
                     (unsigned)(random_next() % 1000));
    fr_json_string(out, text, len);
    fr_buffer_byte(out, '}');
    free(text);
}

static void sign_random(unsigned long count)
{
    struct fr_buffer config = {0};

    for (unsigned long i = 0; i < count; i++) {
        EVP_PKEY *key = random_key();
        struct fr_error error;

        fr_buffer_clear(&config);
        random_config(&config);
        print_token(
            key, fr_jws_sign_config(key, fr_buffer_string(&config), FR_JWS_AUDIENCE_FLEET, &error),
            &error);
        EVP_PKEY_free(key);
    }
    fr_buffer_free(&config);
}

static EVP_PKEY *given_key(const char *name)
{
    struct fr_error error = {"no key"};
    unsigned char scalar[32];
    EVP_PKEY *key = NULL;

    if (strlen(name) == 64 && strspn(name, "0123456789abcdefABCDEF") == 64) {
        for (size_t i = 0; i < sizeof scalar; i++) {
            char digits[3] = {name[2 * i], name[2 * i + 1], '\0'};

            scalar[i] = (unsigned char)strtoul(digits, NULL, 16);
        }
        key = key_of(scalar);
    } else if (fr_command_key_read(name, NULL, &key, &error) == FR_COMMAND_KEY_MISSING)
        fr_error_set(&error, "%s: no such file", name);
    if (key == NULL) {
        fprintf(stderr, "%s\n", error.text);
        exit(EXIT_FAILURE);
    }
    return key;
}

int main(int argc, char **argv)
{
    char *end = NULL, *config;
    unsigned long count = argc > 1 ? strtoul(argv[1], &end, 10) : 0;
    struct fr_error error;
    EVP_PKEY *key;

    if (argc > 1 && *end == '\0' && strlen(argv[1]) < 10) {
        random_state = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
        sign_random(count);
        return 0;
    }
    if (argc != 3)
        return 2;
    config = calloc(CONFIG_MAX + 1, 1);
    if (config == NULL || fread(config, 1, CONFIG_MAX, stdin) == 0)
        return 1;
    key = given_key(argv[1]);
    print_token(key, fr_jws_sign_config(key, config, argv[2], &error), &error);
    EVP_PKEY_free(key);
    free(config);
    return 0;
}
