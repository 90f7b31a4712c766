/* Reads the answer of the token endpoint. */
#ifndef FR_TOKEN_ANSWER_H
#define FR_TOKEN_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "fleet_api/api_error.h"

struct fr_token_answer {
    char *access;       /* secret */
    char *refresh;      /* secret; NULL: none */
    int64_t lifetime_s; /* of the access token, from now */
};

/* Read the body of an answer with status 200. The caller frees the result with
 * fr_token_answer_free(). Returns 0, or -1 with `error` set, never with content. Any thread. */
int fr_token_answer_read(struct fr_token_answer *answer, const char *body, size_t len,
                         struct fr_api_error *error);
void fr_token_answer_free(struct fr_token_answer *answer);

#endif
