#include "fleet_api/access_token.h"

#include <ctype.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/base64url.h"
#include "util/buffer.h"
#include "util/memory.h"

#define URL_MAX 255
#define SCOPES_MAX 100
#define AUDIENCES_MAX 100

/* Whether a text is plain enough for a URL or a scope. */
static bool claims_is_plain(const char *text, size_t max)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && strchr("-._:/", text[i]) == NULL)
            return false;
    return len > 0 && len <= max;
}

static void claims_scopes(struct fr_access_claims *claims, const json_t *list)
{
    struct fr_buffer text = {0};

    for (size_t i = 0; i < json_array_size(list) && i < SCOPES_MAX; i++) {
        const char *scope = json_string_value(json_array_get(list, i));

        if (scope == NULL || !claims_is_plain(scope, 64))
            continue;
        if (text.len > 0)
            fr_buffer_byte(&text, ' ');
        fr_buffer_text(&text, scope);
    }
    if (json_is_array(list))
        claims->scopes = fr_strdup(fr_buffer_string(&text));
    fr_buffer_free(&text);
}

/* The audience of the region: a base URL of the Fleet API with ".REGION." in its name. */
static void claims_audience(struct fr_access_claims *claims, const json_t *list)
{
    char part[16];

    snprintf(part, sizeof part, ".%s.", claims->region);
    for (size_t i = 0; i < json_array_size(list) && i < AUDIENCES_MAX; i++) {
        const char *url = json_string_value(json_array_get(list, i));

        if (claims->base_url == NULL && claims->region[0] != '\0' && url != NULL &&
            strncmp(url, "https://fleet-api.", 18) == 0 && claims_is_plain(url, URL_MAX) &&
            strstr(url, part) != NULL)
            claims->base_url = fr_strdup(url);
    }
}

static void claims_region(struct fr_access_claims *claims, const json_t *value)
{
    const char *text = json_string_value(value);

    if (text == NULL || strlen(text) >= sizeof claims->region || !claims_is_plain(text, 7))
        return;
    for (size_t i = 0; text[i] != '\0'; i++)
        claims->region[i] = (char)tolower((unsigned char)text[i]);
}

void fr_access_claims_read(struct fr_access_claims *claims, const char *token)
{
    const char *from = strchr(token, '.');
    const char *end = from != NULL ? strchr(from + 1, '.') : NULL;
    json_error_t problem;
    json_t *root = NULL;
    size_t len = 0;
    char *payload;

    memset(claims, 0, sizeof *claims);
    if (end == NULL)
        return;
    payload = fr_base64url_decode(from + 1, (size_t)(end - from - 1), &len);
    if (payload != NULL) {
        root = json_loadb(payload, len, 0, &problem);
        OPENSSL_cleanse(payload, len);
        free(payload);
    }
    if (json_is_object(root)) {
        claims_region(claims, json_object_get(root, "ou_code"));
        claims_scopes(claims, json_object_get(root, "scp"));
        claims_audience(claims, json_object_get(root, "aud"));
    }
    json_decref(root);
}

void fr_access_claims_free(struct fr_access_claims *claims)
{
    free(claims->scopes);
    free(claims->base_url);
    memset(claims, 0, sizeof *claims);
}
