/*
 * JSON with sorted keys, without spaces, in the notation of Go's encoding/json (util/go_json.h), as
 * Tesla's signing proxy writes it: the same value always gives the same bytes.
 */
#ifndef FR_CANONICAL_JSON_H
#define FR_CANONICAL_JSON_H

#include <jansson.h>

#include "util/buffer.h"

/* Append a value. An allocation failure sets out->failed. Any thread. */
void fr_canonical_json(struct fr_buffer *out, const json_t *value);

/* The same as a text, which the caller frees; NULL: memory is exhausted. */
char *fr_canonical_json_text(const json_t *value);

#endif
