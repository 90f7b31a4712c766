/*
 * Content encoding of a body: gzip (RFC 1952) or zstd (RFC 8878). An encoder keeps its memory from one
 * body to the next and belongs to one thread.
 */
#ifndef FR_HTTP_ENCODING_H
#define FR_HTTP_ENCODING_H

#include <stdbool.h>
#include <stddef.h>

#include "text_buffer.h"

enum encoding { ENCODING_NONE, ENCODING_GZIP, ENCODING_ZSTD };

struct encoder;

/* NULL: no memory. The caller frees it with encoder_free(); NULL is permitted there. `kind` is not
 * ENCODING_NONE. */
struct encoder *encoder_new(enum encoding kind);
void encoder_free(struct encoder *encoder);

/* Replace `out` by the encoded bytes. Returns false without memory. */
bool encoder_encode(struct encoder *encoder, const void *bytes, size_t len,
                    struct fr_text_buffer *out);

#endif
