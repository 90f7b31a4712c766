/*
 * Signs tokens with core/fleet_api/jws for tests/scenario/jws.py, which has them verified by programs of
 * other authors.
 *
 * Input, a line for each token: the private scalar and the payload, in hexadecimal, with a tab between
 * them. Output, a line for each: the public key as in the claim `iss`, a tab, the token.
 */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/jws.h"

static void fail(const char *message)
{
    fprintf(stderr, "sign_tokens: %s\n", message);
    exit(1);
}

static void *need(void *pointer, const char *what)
{
    if (pointer == NULL)
        fail(what);
    return pointer;
}

/* The key pair of a private scalar. */
static EVP_PKEY *make_key(const char *scalar_hex)
{
    EC_GROUP *group = need(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1), "no P-256");
    EC_POINT *point = need(EC_POINT_new(group), "no point");
    OSSL_PARAM_BLD *builder = need(OSSL_PARAM_BLD_new(), "no parameters");
    EVP_PKEY_CTX *context = need(EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL), "no EC keys");
    BIGNUM *scalar = NULL;
    unsigned char public[65];
    OSSL_PARAM *parameters;
    EVP_PKEY *key = NULL;

    if (BN_hex2bn(&scalar, scalar_hex) == 0 ||
        EC_POINT_mul(group, point, scalar, NULL, NULL, NULL) != 1 ||
        EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, public, sizeof public,
                           NULL) != sizeof public)
        fail("the scalar is no private key");
    if (OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) !=
            1 ||
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, scalar) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, public, sizeof public) !=
            1)
        fail("the parameters of the key cannot be set");
    parameters = need(OSSL_PARAM_BLD_to_param(builder), "no parameters");
    if (EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, parameters) != 1)
        fail("OpenSSL does not accept the key");
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(context);
    BN_free(scalar);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    return key;
}

static void sign_line(char *line)
{
    struct fr_error error;
    char *payload_hex = strchr(line, '\t'), *issuer, *token;
    unsigned char *payload;
    long len;
    EVP_PKEY *key;

    if (payload_hex == NULL)
        fail("a line has no tab");
    *payload_hex++ = '\0';
    payload_hex[strcspn(payload_hex, "\n")] = '\0';
    payload = need(OPENSSL_hexstr2buf(payload_hex, &len), "the payload is not hexadecimal");
    key = make_key(line);
    issuer = fr_jws_issuer(key, &error);
    token = issuer == NULL ? NULL : fr_jws_sign(key, (const char *)payload, (size_t)len, &error);
    if (token == NULL)
        fail(error.text);
    printf("%s\t%s\n", issuer, token);
    free(issuer);
    free(token);
    OPENSSL_free(payload);
    EVP_PKEY_free(key);
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, stdin) > 0)
        sign_line(line);
    free(line);
    return fflush(stdout) == 0 ? 0 : 1;
}
