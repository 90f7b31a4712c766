#include "fleet_api/jws.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/base64url.h"
#include "fleet_api/canonical_json.h"
#include "fleet_api/ss256.h"
#include "util/memory.h"

#define HEADER "{\"alg\":\"Tesla.SS256\",\"typ\":\"JWT\"}"

char *fr_jws_issuer(EVP_PKEY *key, struct fr_error *error)
{
    unsigned char point[FR_SS256_POINT_BYTES];
    char *text;

    if (fr_ss256_public(key, point, error) != 0)
        return NULL;
    text = fr_calloc((sizeof point + 2) / 3 * 4 + 1, 1);
    EVP_EncodeBlock((unsigned char *)text, point, sizeof point);
    return text;
}

char *fr_jws_sign(EVP_PKEY *key, const char *payload, size_t len, struct fr_error *error)
{
    unsigned char signature[FR_SS256_SIGNATURE_BYTES];
    char *header = fr_base64url(HEADER, sizeof HEADER - 1);
    char *body = fr_base64url(payload, len);
    char *input = fr_asprintf("%s.%s", header, body), *token = NULL;

    if (fr_ss256_sign(key, input, strlen(input), signature, error) == 0) {
        char *end = fr_base64url(signature, sizeof signature);

        token = fr_asprintf("%s.%s", input, end);
        free(end);
    }
    free(header);
    free(body);
    free(input);
    return token;
}

char *fr_jws_sign_config(EVP_PKEY *key, const char *config, const char *audience,
                         struct fr_error *error)
{
    json_error_t problem;
    char *issuer = fr_jws_issuer(key, error), *claims = NULL, *token = NULL;
    json_t *root = issuer != NULL ? json_loads(config, JSON_REJECT_DUPLICATES, &problem) : NULL;

    if (issuer != NULL && !json_is_object(root))
        fr_error_set(error, "the telemetry configuration is no JSON object: %.100s; report this",
                     root == NULL ? problem.text : "another kind of value");
    else if (issuer != NULL) {
        json_object_set_new(root, "iss", json_string(issuer));
        json_object_set_new(root, "aud", json_string(audience));
        claims = fr_canonical_json_text(root);
        if (claims == NULL)
            fr_error_set(error, "the telemetry configuration does not fit in memory; free memory");
        else
            token = fr_jws_sign(key, claims, strlen(claims), error);
    }
    json_decref(root);
    free(claims);
    free(issuer);
    return token;
}
