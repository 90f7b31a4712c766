#include "fleet_api/token_answer.h"

#include <ctype.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "fleet_api/secret_file.h"
#include "util/memory.h"

#define TOKEN_MAX 16384
#define ANSWER_MAX (8 * TOKEN_MAX) /* three tokens, with escapes; a dense answer needs memory */
#define LIFETIME_DEFAULT_S 28800
#define LIFETIME_MAX_S (INT64_C(30) * 24 * 3600)

/* A copy of a token, or NULL if it is missing or cannot be one. */
static char *token_answer_text(const json_t *root, const char *key)
{
    const json_t *value = json_object_get(root, key);
    const char *text = json_string_value(value);
    size_t len = text != NULL ? json_string_length(value) : 0;

    for (size_t i = 0; i < len; i++)
        if (!isgraph((unsigned char)text[i]))
            return NULL;
    return len > 0 && len <= TOKEN_MAX ? fr_strdup(text) : NULL;
}

static int64_t token_answer_lifetime(const json_t *root)
{
    const json_t *value = json_object_get(root, "expires_in");
    int64_t lifetime_s = json_is_integer(value) ? json_integer_value(value) : LIFETIME_DEFAULT_S;

    if (lifetime_s < 0)
        lifetime_s = 0;
    return lifetime_s < LIFETIME_MAX_S ? lifetime_s : LIFETIME_MAX_S;
}

int fr_token_answer_read(struct fr_token_answer *answer, const char *body, size_t len,
                         struct fr_api_error *error)
{
    json_error_t problem;
    json_t *root = len <= ANSWER_MAX ? json_loadb(body, len, 0, &problem) : NULL;

    memset(answer, 0, sizeof *answer);
    if (json_is_object(root)) {
        answer->access = token_answer_text(root, "access_token");
        answer->refresh = token_answer_text(root, "refresh_token");
        answer->lifetime_s = token_answer_lifetime(root);
        fr_secret_erase_members(root);
    }
    json_decref(root);
    if (answer->access != NULL)
        return 0;
    fr_token_answer_free(answer);
    return fr_api_error_set(error, FR_API_MALFORMED,
                            "get a token: the answer has no access token; try again later, and "
                            "check for a proxy between here and Tesla");
}

void fr_token_answer_free(struct fr_token_answer *answer)
{
    fr_secret_free(answer->access);
    fr_secret_free(answer->refresh);
    memset(answer, 0, sizeof *answer);
}
