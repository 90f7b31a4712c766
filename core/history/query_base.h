/* Shared by the parts of a query: bounds, and reading of a series. Internal to core/history. */
#ifndef FR_HISTORY_QUERY_BASE_H
#define FR_HISTORY_QUERY_BASE_H

#include "history/query_state.h"

/* Max bytes of an answer. */
#define FR_HISTORY_ANSWER_MAX (4u << 20)

/* Returns 0, or -1 with the error of the query set: its time has passed, it was cancelled, or its
 * answer is too large. Called after each row. */
int fr_query_check(struct fr_history_query *query);

/* Call each() with the chunks of a field and level that contain times of the request, in the order
 * of their time; damaged chunks are counted and skipped. The chunk is valid during the call. Returns
 * 0, or -1 with the error of the query set. */
int fr_query_each_chunk(struct fr_history_query *query, uint32_t field, enum fr_chunk_kind kind,
                        enum fr_history_level level,
                        void (*each)(void *ctx, const struct fr_chunk *chunk), void *ctx);

/* Append ,"NAME":NUMBER with null for NAN; and a position in degrees. With redaction a coordinate
 * has two decimals. */
void fr_query_put_number(struct fr_buffer *out, const char *name, double number);
void fr_query_put_degrees(struct fr_buffer *out, double degrees);

#endif
