#include "fleet_api/ss256.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/obj_mac.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <string.h>

#define SCALAR_BYTES 32
#define HASH_BYTES SHA256_DIGEST_LENGTH

/* What one signature needs. All numbers that depend on the private key are erased at the end. */
struct ss256 {
    EC_GROUP *group;
    BN_CTX *context;
    BN_MONT_CTX *montgomery; /* for multiplication modulo the order */
    const BIGNUM *order;     /* q; belongs to the group */
    BIGNUM *d;               /* private scalar; secret */
    BIGNUM *k;               /* nonce; secret */
    EC_POINT *point;
    unsigned char scalar[SCALAR_BYTES]; /* d; secret */
    unsigned char g[FR_SS256_POINT_BYTES], v[FR_SS256_POINT_BYTES], a[FR_SS256_POINT_BYTES];
};

static int ss256_check_kind(EVP_PKEY *key, struct fr_error *error)
{
    const char *kind = EVP_PKEY_get0_type_name(key);
    char curve[64] = "";

    if (EVP_PKEY_is_a(key, "EC"))
        EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL);
    if (strcmp(curve, SN_X9_62_prime256v1) == 0)
        return 0;
    return fr_error_set(error,
                        "the command key is %s%s%s; vehicles accept only P-256 (prime256v1); use "
                        "the key that `fleetroute key` makes",
                        kind != NULL ? kind : "of an unknown kind", curve[0] != '\0' ? " " : "",
                        curve);
}

static int ss256_fail(struct fr_error *error)
{
    ERR_clear_error();
    return fr_error_set(error, "OpenSSL cannot sign with the command key; check the key file and "
                               "OpenSSL's configuration");
}

/* ---- points ---------------------------------------------------------------------- */

static bool ss256_encode(const struct ss256 *s, const EC_POINT *point,
                         unsigned char bytes[FR_SS256_POINT_BYTES])
{
    return EC_POINT_point2oct(s->group, point, POINT_CONVERSION_UNCOMPRESSED, bytes,
                              FR_SS256_POINT_BYTES, s->context) == FR_SS256_POINT_BYTES;
}

/* bytes = scalar * G. */
static bool ss256_multiply(struct ss256 *s, const BIGNUM *scalar,
                           unsigned char bytes[FR_SS256_POINT_BYTES])
{
    return EC_POINT_mul(s->group, s->point, scalar, NULL, NULL, s->context) &&
           ss256_encode(s, s->point, bytes);
}

int fr_ss256_public(EVP_PKEY *key, unsigned char point[FR_SS256_POINT_BYTES],
                    struct fr_error *error)
{
    unsigned char encoded[FR_SS256_POINT_BYTES];
    EC_GROUP *group = NULL;
    EC_POINT *decoded = NULL;
    size_t len = 0;
    bool good;

    if (ss256_check_kind(key, error) != 0)
        return -1;
    group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    decoded = group != NULL ? EC_POINT_new(group) : NULL;
    good = decoded != NULL &&
           EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, encoded, sizeof encoded,
                                           &len) == 1 &&
           EC_POINT_oct2point(group, decoded, encoded, len, NULL) == 1 &&
           EC_POINT_point2oct(group, decoded, POINT_CONVERSION_UNCOMPRESSED, point,
                              FR_SS256_POINT_BYTES, NULL) == FR_SS256_POINT_BYTES;
    EC_POINT_free(decoded);
    EC_GROUP_free(group);
    return good ? 0 : ss256_fail(error);
}

/* ---- the nonce of RFC 6979, section 3.2 ------------------------------------------ */

/* key = HMAC(key, value || tag || scalar || hash), value = HMAC(key, value). */
static bool ss256_nonce_update(unsigned char key[HASH_BYTES], unsigned char value[HASH_BYTES],
                               unsigned char tag, const unsigned char *seed, size_t len)
{
    unsigned char text[HASH_BYTES + 1 + SCALAR_BYTES + HASH_BYTES];
    unsigned size = 0;
    bool good;

    memcpy(text, value, HASH_BYTES);
    text[HASH_BYTES] = tag;
    memcpy(text + HASH_BYTES + 1, seed, len);
    good = HMAC(EVP_sha256(), key, HASH_BYTES, text, HASH_BYTES + 1 + len, key, &size) != NULL &&
           HMAC(EVP_sha256(), key, HASH_BYTES, value, HASH_BYTES, value, &size) != NULL;
    OPENSSL_cleanse(text, sizeof text);
    return good;
}

/* Try candidates until one is in 1 to q - 1. */
static bool ss256_nonce_find(struct ss256 *s, unsigned char key[HASH_BYTES],
                             unsigned char value[HASH_BYTES])
{
    static const unsigned char none[1];
    unsigned size = 0;

    for (;;) {
        if (HMAC(EVP_sha256(), key, HASH_BYTES, value, HASH_BYTES, value, &size) == NULL ||
            BN_bin2bn(value, HASH_BYTES, s->k) == NULL)
            return false;
        if (!BN_is_zero(s->k) && BN_cmp(s->k, s->order) < 0)
            return true;
        if (!ss256_nonce_update(key, value, 0, none, 0))
            return false;
    }
}

/* The hash of the input modulo q, as RFC 6979 (bits2octets) writes it. */
static bool ss256_reduce(struct ss256 *s, const unsigned char hash[HASH_BYTES],
                         unsigned char reduced[SCALAR_BYTES])
{
    BIGNUM *number = BN_bin2bn(hash, HASH_BYTES, NULL);
    bool good = number != NULL && BN_nnmod(number, number, s->order, s->context) &&
                BN_bn2binpad(number, reduced, SCALAR_BYTES) == SCALAR_BYTES;

    BN_free(number);
    return good;
}

static bool ss256_nonce(struct ss256 *s, const void *input, size_t len)
{
    unsigned char key[HASH_BYTES], value[HASH_BYTES], hash[HASH_BYTES];
    unsigned char seed[SCALAR_BYTES + HASH_BYTES];
    bool good;

    memset(key, 0, sizeof key);
    memset(value, 1, sizeof value);
    SHA256(input, len, hash);
    memcpy(seed, s->scalar, SCALAR_BYTES);
    good = ss256_reduce(s, hash, seed + SCALAR_BYTES) &&
           ss256_nonce_update(key, value, 0, seed, sizeof seed) &&
           ss256_nonce_update(key, value, 1, seed, sizeof seed) && ss256_nonce_find(s, key, value);
    OPENSSL_cleanse(key, sizeof key);
    OPENSSL_cleanse(value, sizeof value);
    OPENSSL_cleanse(seed, sizeof seed);
    return good;
}

/* ---- the signature --------------------------------------------------------------- */

static bool ss256_hash_part(EVP_MD_CTX *hash, const void *bytes, size_t len)
{
    unsigned char size[4] = {(unsigned char)(len >> 24), (unsigned char)(len >> 16),
                             (unsigned char)(len >> 8), (unsigned char)len};

    return EVP_DigestUpdate(hash, size, sizeof size) && EVP_DigestUpdate(hash, bytes, len);
}

/* The challenge c: the hash of G, V, A and the input, each after its length, modulo q. */
static BIGNUM *ss256_challenge(struct ss256 *s, const void *input, size_t len)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    unsigned char digest[HASH_BYTES];
    BIGNUM *c = NULL;

    if (hash != NULL && len <= UINT32_MAX && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) &&
        ss256_hash_part(hash, s->g, sizeof s->g) && ss256_hash_part(hash, s->v, sizeof s->v) &&
        ss256_hash_part(hash, s->a, sizeof s->a) && ss256_hash_part(hash, input, len) &&
        EVP_DigestFinal_ex(hash, digest, NULL))
        c = BN_bin2bn(digest, sizeof digest, NULL);
    EVP_MD_CTX_free(hash);
    if (c != NULL && !BN_nnmod(c, c, s->order, s->context)) {
        BN_free(c);
        c = NULL;
    }
    return c;
}

/* r = (k - d * c) mod q, as (k + (q - d * c)) mod q, without a branch on a secret. */
static bool ss256_response(struct ss256 *s, const BIGNUM *c, unsigned char bytes[SCALAR_BYTES])
{
    BIGNUM *product = BN_secure_new(), *r = BN_secure_new();
    bool good = product != NULL && r != NULL;

    if (good) {
        BN_set_flags(product, BN_FLG_CONSTTIME);
        BN_set_flags(r, BN_FLG_CONSTTIME);
        good = BN_to_montgomery(product, s->d, s->montgomery, s->context) &&
               BN_mod_mul_montgomery(product, product, c, s->montgomery, s->context) &&
               BN_sub(product, s->order, product) && BN_add(product, product, s->k) &&
               BN_mod(r, product, s->order, s->context) &&
               BN_bn2binpad(r, bytes, SCALAR_BYTES) == SCALAR_BYTES;
    }
    BN_clear_free(product);
    BN_clear_free(r);
    return good;
}

static bool ss256_open(struct ss256 *s, EVP_PKEY *key)
{
    memset(s, 0, sizeof *s);
    s->group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    s->context = BN_CTX_secure_new();
    s->montgomery = BN_MONT_CTX_new();
    s->d = BN_secure_new();
    s->k = BN_secure_new();
    s->point = s->group != NULL ? EC_POINT_new(s->group) : NULL;
    s->order = s->group != NULL ? EC_GROUP_get0_order(s->group) : NULL;
    if (s->context == NULL || s->montgomery == NULL || s->d == NULL || s->k == NULL ||
        s->point == NULL || s->order == NULL)
        return false;
    BN_set_flags(s->d, BN_FLG_CONSTTIME);
    BN_set_flags(s->k, BN_FLG_CONSTTIME);
    return BN_MONT_CTX_set(s->montgomery, s->order, s->context) &&
           EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &s->d) && !BN_is_zero(s->d) &&
           BN_cmp(s->d, s->order) < 0 &&
           BN_bn2binpad(s->d, s->scalar, SCALAR_BYTES) == SCALAR_BYTES;
}

static void ss256_close(struct ss256 *s)
{
    EC_POINT_clear_free(s->point);
    BN_clear_free(s->d);
    BN_clear_free(s->k);
    BN_MONT_CTX_free(s->montgomery);
    BN_CTX_free(s->context);
    EC_GROUP_free(s->group);
    OPENSSL_cleanse(s, sizeof *s);
}

int fr_ss256_sign(EVP_PKEY *key, const void *input, size_t len,
                  unsigned char signature[FR_SS256_SIGNATURE_BYTES], struct fr_error *error)
{
    struct ss256 s;
    BIGNUM *c = NULL;
    bool good;

    if (ss256_check_kind(key, error) != 0)
        return -1;
    good = ss256_open(&s, key) && ss256_nonce(&s, input, len) &&
           ss256_encode(&s, EC_GROUP_get0_generator(s.group), s.g) &&
           ss256_multiply(&s, s.k, s.v) && ss256_multiply(&s, s.d, s.a) &&
           (c = ss256_challenge(&s, input, len)) != NULL &&
           ss256_response(&s, c, signature + 2 * SCALAR_BYTES);
    if (good)
        memcpy(signature, s.v + 1, 2 * SCALAR_BYTES);
    BN_free(c);
    ss256_close(&s);
    return good ? 0 : ss256_fail(error);
}
