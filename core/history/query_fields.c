#include "history/query_fields.h"

#include <stdlib.h>
#include <string.h>

#include "history/history_field.h"
#include "history/history_settings.h"
#include "history/query_base.h"
#include "history/query_track.h"
#include "record/field_catalogue.h"
#include "record/json.h"
#include "util/memory.h"
#include "util/redact.h"

#define RAW_RANGE_MAX_MS (INT64_C(6) * 3600 * 1000) /* a longer range is read from summaries */

/* ---- numbers --------------------------------------------------------------------- */

/* The numbers of one interval of the answer. */
struct query_point {
    int64_t ms; /* of the newest number; 0: there is none */
    double sum, count;
    float min, max, last;
};

struct query_numbers {
    const struct fr_history_request *request;
    struct query_point points[FR_HISTORY_POINTS_MAX];
    size_t found;
};

static void query_add_summary(struct query_numbers *n, int64_t ms, const struct fr_summary *s)
{
    const struct fr_history_request *r = n->request;
    struct query_point *point;

    if (ms < r->from_ms || ms >= r->to_ms)
        return;
    point = &n->points[(uint64_t)(ms - r->from_ms) * r->points / (uint64_t)(r->to_ms - r->from_ms)];
    if (point->ms == 0) {
        *point = (struct query_point){ms, 0, 0, s->min, s->max, s->last};
        n->found++;
    }
    point->sum += (double)s->average * s->count;
    point->count += s->count;
    point->min = s->min < point->min ? s->min : point->min;
    point->max = s->max > point->max ? s->max : point->max;
    if (ms >= point->ms) {
        point->ms = ms;
        point->last = s->last;
    }
}

static void query_add_chunk(void *ctx, const struct fr_chunk *c)
{
    struct query_numbers *n = ctx;

    for (size_t i = 0; i < c->count; i++)
        if (c->kind == FR_CHUNK_NUMBERS) {
            float value = c->numbers[i].value;
            struct fr_summary one = {c->numbers[i].ms, 1, 0, value, value, value, value};

            query_add_summary(n, one.ms, &one);
        } else
            query_add_summary(n, c->summaries[i].ms + c->summaries[i].last_ms, &c->summaries[i]);
}

static void query_put_float(struct fr_buffer *out, float number)
{
    char text[FR_FLOAT_TEXT_SIZE];

    fr_float_text(number, text);
    fr_buffer_text(out, text);
}

enum query_column { QUERY_AVERAGE, QUERY_MIN, QUERY_MAX, QUERY_LAST, QUERY_COLUMNS };

static void query_put_column(struct fr_buffer *out, const struct query_numbers *n,
                             enum query_column column)
{
    static const char *const names[QUERY_COLUMNS] = {"avg", "min", "max", "last"};
    const char *separator = "";

    fr_buffer_printf(out, ",\"%s\":[", names[column]);
    for (size_t i = 0; i < n->request->points; i++) {
        const struct query_point *p = &n->points[i];

        if (p->ms == 0)
            continue;
        fr_buffer_text(out, separator);
        query_put_float(out, column == QUERY_AVERAGE ? (float)(p->sum / p->count)
                             : column == QUERY_MIN   ? p->min
                             : column == QUERY_MAX   ? p->max
                                                     : p->last);
        separator = ",";
    }
    fr_buffer_byte(out, ']');
}

static void query_put_numbers(struct fr_buffer *out, const struct query_numbers *n,
                              enum fr_history_level level)
{
    static const char *const levels[FR_LEVELS] = {"raw", "minute", "ten_minutes"};
    const char *separator = "";

    fr_buffer_printf(out, ",\"level\":\"%s\",\"t\":[", levels[level]);
    for (size_t i = 0; i < n->request->points; i++) {
        if (n->points[i].ms == 0)
            continue;
        fr_buffer_printf(out, "%s%lld", separator, (long long)n->points[i].ms);
        separator = ",";
    }
    fr_buffer_byte(out, ']');
    for (int column = 0; column < QUERY_COLUMNS; column++)
        query_put_column(out, n, (enum query_column)column);
}

/* The finest level that covers the range with a bounded number of chunks. */
static enum fr_history_level query_level(const struct fr_history_request *r, int64_t keep_ms,
                                         int64_t now_ms)
{
    if (r->to_ms - r->from_ms <= RAW_RANGE_MAX_MS && r->from_ms >= now_ms - FR_HISTORY_RAW_MS)
        return FR_LEVEL_RAW;
    return r->from_ms >= now_ms - keep_ms ? FR_LEVEL_MINUTE : FR_LEVEL_TEN_MINUTES;
}

/* A level without a value in the range may have been deleted for space: the next one is read. */
static int query_numbers(struct fr_history_query *q, uint32_t field, int64_t keep_ms,
                         int64_t now_ms)
{
    enum fr_history_level level = query_level(q->request, keep_ms, now_ms);
    struct query_numbers *n = fr_calloc(1, sizeof *n);
    int status;

    n->request = q->request;
    status =
        fr_query_each_chunk(q, field, level == FR_LEVEL_RAW ? FR_CHUNK_NUMBERS : FR_CHUNK_SUMMARIES,
                            level, query_add_chunk, n);
    while (status == 0 && n->found == 0 && level < FR_LEVEL_TEN_MINUTES) {
        level = (enum fr_history_level)((int)level + 1);
        status = fr_query_each_chunk(q, field, FR_CHUNK_SUMMARIES, level, query_add_chunk, n);
    }
    query_put_numbers(q->out, n, level);
    free(n);
    return status;
}

/* ---- states ---------------------------------------------------------------------- */

struct query_states {
    const struct fr_history_request *request;
    struct fr_state *kept; /* request->points members, a ring */
    size_t count;          /* of changes; the newest are in `kept` */
};

static bool query_is_same_state(const struct fr_state *a, const struct fr_state *b)
{
    return a->kind == b->kind && a->number == b->number && a->text_len == b->text_len &&
           memcmp(a->text, b->text, a->text_len) == 0;
}

static void query_add_state(struct query_states *s, const struct fr_state *state)
{
    size_t points = s->request->points;

    if (s->count != 0 && query_is_same_state(&s->kept[(s->count - 1) % points], state))
        return;
    s->kept[s->count++ % points] = *state;
}

/* A state before the range replaces an older one: only the last is valid at its begin. */
static void query_add_states(void *ctx, const struct fr_chunk *c)
{
    struct query_states *s = ctx;

    for (size_t i = 0; i < c->count && c->states[i].ms < s->request->to_ms; i++) {
        if (s->count == 1 && c->states[i].ms <= s->request->from_ms &&
            !query_is_same_state(&s->kept[0], &c->states[i]))
            s->count = 0;
        query_add_state(s, &c->states[i]);
    }
}

/* Add the states of the chunk before the range. */
static void query_add_earlier(struct fr_history_query *q, uint32_t field, struct query_states *s)
{
    struct fr_history_key key = {.kind = FR_HISTORY_SERIES, .field = field};

    memcpy(key.vin, q->request->vin, sizeof key.vin);
    key.ms =
        q->request->from_ms - q->request->from_ms % fr_chunk_span_ms(FR_CHUNK_STATES, FR_LEVEL_RAW);
    if (!fr_history_read_before(&q->reading, &key) ||
        !fr_history_key_same_series(&q->reading.key, &key))
        return;
    fr_chunk_begin(&q->chunk, FR_CHUNK_STATES, FR_LEVEL_RAW, q->reading.key.ms);
    if (q->chunk.start_ms == q->reading.key.ms &&
        fr_chunk_decode(&q->chunk, q->reading.data.mv_data, q->reading.data.mv_size))
        query_add_states(s, &q->chunk);
}

static void query_put_state(struct fr_buffer *out, const struct fr_field *field,
                            const struct fr_state *state)
{
    const struct fr_choice *choice = NULL;
    struct fr_value value = {.kind = FR_VALUE_NONE};

    if (state->kind == FR_STATE_BOOLEAN) {
        value.kind = FR_VALUE_BOOL;
        value.boolean = state->number != 0;
    } else if (state->kind == FR_STATE_TEXT) {
        bool hidden = fr_redacting();

        value.kind = FR_VALUE_TEXT;
        value.text.bytes = hidden ? "redacted" : state->text;
        value.text.len = hidden ? strlen("redacted") : state->text_len;
    } else if (state->kind == FR_STATE_NUMBER && field->kind == FR_FIELD_ENUM) {
        if (field->choices != NULL)
            choice = fr_enum_choice(field->choices, state->number);
        value.kind = FR_VALUE_ENUM;
        value.choice.name = choice != NULL ? choice->name : NULL;
        value.choice.number = state->number;
    } else if (state->kind == FR_STATE_NUMBER) {
        value.kind = field->kind == FR_FIELD_DOORS ? FR_VALUE_DOORS : FR_VALUE_TIRES;
        value.bits = (uint32_t)state->number;
    }
    fr_json_value(out, &value);
}

static void query_put_states(struct fr_buffer *out, const struct fr_field *field,
                             const struct query_states *s)
{
    size_t points = s->request->points, first = s->count > points ? s->count - points : 0;

    fr_buffer_text(out, ",\"t\":[");
    for (size_t i = first; i < s->count; i++)
        fr_buffer_printf(out, "%s%lld", i == first ? "" : ",", (long long)s->kept[i % points].ms);
    fr_buffer_text(out, "],\"v\":[");
    for (size_t i = first; i < s->count; i++) {
        if (i != first)
            fr_buffer_byte(out, ',');
        query_put_state(out, field, &s->kept[i % points]);
    }
    fr_buffer_printf(out, "],\"skipped\":%zu", first);
}

static int query_states(struct fr_history_query *q, const struct fr_field *field)
{
    struct query_states s = {.request = q->request};
    int status;

    s.kept = fr_calloc(q->request->points, sizeof *s.kept);
    query_add_earlier(q, field->number, &s);
    status =
        fr_query_each_chunk(q, field->number, FR_CHUNK_STATES, FR_LEVEL_RAW, query_add_states, &s);
    query_put_states(q->out, field, &s);
    free(s.kept);
    return status;
}

/* ---- fields ---------------------------------------------------------------------- */

static int query_field(struct fr_history_query *q, uint32_t number, int64_t keep_ms, int64_t now_ms)
{
    static const char *const kinds[] = {[FR_CHUNK_NUMBERS] = "numbers",
                                        [FR_CHUNK_STATES] = "states",
                                        [FR_CHUNK_POSITIONS] = "positions"};
    const struct fr_field *field = fr_field_by_number(number);
    enum fr_chunk_kind kind = FR_CHUNK_NUMBERS;
    int status;

    fr_history_field_kind(number, &kind);
    fr_buffer_text(q->out, "{\"field\":");
    fr_json_string(q->out, field->name, strlen(field->name));
    fr_buffer_printf(q->out, ",\"kind\":\"%s\",\"unit\":", kinds[kind]);
    fr_json_string(q->out, field->unit, strlen(field->unit));
    if (kind == FR_CHUNK_NUMBERS)
        status = query_numbers(q, number, keep_ms, now_ms);
    else if (kind == FR_CHUNK_STATES)
        status = query_states(q, field);
    else
        status = fr_query_positions(q, number);
    fr_buffer_byte(q->out, '}');
    return status != 0 ? status : fr_query_check(q);
}

int fr_query_fields(struct fr_history_query *q, int64_t keep_ms, int64_t now_ms)
{
    fr_buffer_text(q->out, ",\"series\":[");
    for (size_t i = 0; i < q->request->field_count; i++) {
        if (i != 0)
            fr_buffer_byte(q->out, ',');
        if (query_field(q, q->request->fields[i], keep_ms, now_ms) != 0)
            return -1;
    }
    fr_buffer_byte(q->out, ']');
    return 0;
}
