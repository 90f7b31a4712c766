/*
 * Answers a request from the history's file, as one JSON object. Internal to core/history; other
 * folders use history.h.
 */
#ifndef FR_HISTORY_QUERY_H
#define FR_HISTORY_QUERY_H

#include <stdatomic.h>

#include "history/history_request.h"
#include "history/history_store.h"

/* Append the answer: {"vin":…,"from":ms,"to":ms, … the members of query_fields.h, query_rows.h or
 * query_track.h}. A track has "drive", the session that is displayed, or null. deadline_ms:
 * monotonic. `cancelled` may be NULL. The thread does not block. Returns 0, or -1 with `error` set;
 * then `out` has no valid JSON. Any thread. */
int fr_history_answer(struct fr_history_store *store, const struct fr_history_request *request,
                      int64_t keep_ms, int64_t deadline_ms, const _Atomic bool *cancelled,
                      struct fr_buffer *out, struct fr_error *error);

#endif
