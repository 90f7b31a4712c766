/* api_answer.h - the answers {"ok":BOOLEAN,"message":TEXT} and {"error":TEXT} of the API. Any
 * thread. */
#ifndef FR_API_ANSWER_H
#define FR_API_ANSWER_H

#include "util/buffer.h"

/* Replace the content of `out` by a refusal; returns `code`. */
int fr_api_refuse(struct fr_buffer *out, int code, const char *message);

/* Replace the content of `out` by {"error":message}; returns `code`. */
int fr_api_put_error(struct fr_buffer *out, int code, const char *message);

/* Replace the content of `out` by a success; returns 200. */
int fr_api_succeed(struct fr_buffer *out, const char *message);

#endif
