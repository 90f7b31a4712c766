/* The state of one query, shared by query*.c. Internal to core/history. */
#ifndef FR_HISTORY_QUERY_STATE_H
#define FR_HISTORY_QUERY_STATE_H

#include <stdatomic.h>

#include "history/chunk.h"
#include "history/history_request.h"
#include "history/history_store.h"

struct fr_history_query {
    const struct fr_history_request *request;
    struct fr_history_reading reading;
    int64_t deadline_ms;           /* monotonic */
    const _Atomic bool *cancelled; /* NULL: the query cannot be cancelled */
    struct fr_buffer *out;
    struct fr_chunk chunk; /* scratch */
    struct fr_error *error;
};

#endif
