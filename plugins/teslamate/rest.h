/*
 * The answers to HTTP requests: the part of Tesla's owner API that TeslaMate needs, and the beginning of
 * a stream. Answers are made from the values that vehicles have sent; no request reaches a vehicle or
 * Tesla. Used on the sink's thread.
 */
#ifndef FR_TESLAMATE_REST_H
#define FR_TESLAMATE_REST_H

#include "teslamate/client.h"
#include "teslamate/token_file.h"
#include "teslamate/vehicles.h"

#define REST_PRODUCTS_MAX 1000 /* vehicles in one answer */

struct rest {
    struct token_file *const *tokens; /* NULL in it: none was read, every request gets 401 */
    const struct vehicles *vehicles;
    const char *token_path; /* of the token requests */
};

/* Answer a request; `content` is NUL-terminated. */
void rest_answer(const struct rest *rest, struct client *client, const struct request *request,
                 const char *content);

#endif
