#include "history/query_base.h"

#include <string.h>

#include "util/clock.h"
#include "util/counters.h"
#include "util/json_text.h"
#include "util/redact.h"

int fr_query_check(struct fr_history_query *q)
{
    if (q->cancelled != NULL && atomic_load_explicit(q->cancelled, memory_order_relaxed))
        return fr_error_set(q->error, "the request was cancelled");
    if (fr_monotonic_ms() > q->deadline_ms)
        return fr_error_set(q->error, "the history did not answer in time; request a shorter time "
                                      "or fewer fields");
    if (q->out->len > FR_HISTORY_ANSWER_MAX || q->out->failed)
        return fr_error_set(q->error,
                            "the answer is larger than %u MB; request a shorter time, "
                            "fewer fields or fewer points",
                            FR_HISTORY_ANSWER_MAX >> 20);
    return 0;
}

int fr_query_each_chunk(struct fr_history_query *q, uint32_t field, enum fr_chunk_kind kind,
                        enum fr_history_level level,
                        void (*each)(void *ctx, const struct fr_chunk *chunk), void *ctx)
{
    struct fr_history_key key = {
        .kind = FR_HISTORY_SERIES, .field = field, .level = (uint8_t)level};
    bool found;

    memcpy(key.vin, q->request->vin, sizeof key.vin);
    key.ms = q->request->from_ms - q->request->from_ms % fr_chunk_span_ms(kind, level);
    for (found = fr_history_read_from(&q->reading, &key);
         found && fr_history_key_same_series(&q->reading.key, &key) &&
         q->reading.key.ms < q->request->to_ms;
         found = fr_history_read_following(&q->reading)) {
        if (fr_query_check(q) != 0)
            return -1;
        fr_chunk_begin(&q->chunk, kind, level, q->reading.key.ms);
        if (q->chunk.start_ms != q->reading.key.ms ||
            !fr_chunk_decode(&q->chunk, q->reading.data.mv_data, q->reading.data.mv_size)) {
            fr_count(FR_COUNT_HISTORY_DAMAGED);
            continue;
        }
        each(ctx, &q->chunk);
    }
    return 0;
}

void fr_query_put_number(struct fr_buffer *out, const char *name, double number)
{
    fr_buffer_printf(out, ",\"%s\":", name);
    fr_json_number(out, number);
}

void fr_query_put_degrees(struct fr_buffer *out, double degrees)
{
    fr_json_number(out, fr_redacting() ? fr_redacted_degrees(degrees) : degrees);
}
