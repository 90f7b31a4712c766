#include "history/chunk.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "history/packing.h"

#define MINUTE_MS INT64_C(60000)

int64_t fr_chunk_span_ms(enum fr_chunk_kind kind, enum fr_history_level level)
{
    if (level == FR_LEVEL_MINUTE || kind == FR_CHUNK_STATES)
        return 60 * MINUTE_MS;
    return level == FR_LEVEL_RAW ? 5 * MINUTE_MS : 720 * MINUTE_MS;
}

int64_t fr_summary_span_ms(enum fr_history_level level)
{
    return level == FR_LEVEL_MINUTE ? MINUTE_MS : 10 * MINUTE_MS;
}

void fr_chunk_begin(struct fr_chunk *c, enum fr_chunk_kind kind, enum fr_history_level level,
                    int64_t ms)
{
    int64_t span = fr_chunk_span_ms(kind, level);

    assert(ms >= 0);
    c->kind = kind;
    c->level = level;
    c->start_ms = ms - ms % span;
    c->count = 0;
}

/* ---- adding ---------------------------------------------------------------------- */

/* The index of the first of `count` entries with a time of `ms` or later. The time is the first
 * member of each entry of `size` bytes. Most entries are appended, so the search begins at the
 * end. */
static size_t chunk_find(const void *entries, size_t size, size_t count, int64_t ms)
{
    const char *at = entries;
    size_t low = 0, high = count;
    int64_t other;

    if (count != 0) {
        memcpy(&other, at + (count - 1) * size, sizeof other);
        if (other < ms)
            return count;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        memcpy(&other, at + middle * size, sizeof other);
        if (other < ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Insert an entry whose first member is its time, or replace the one of this time. */
static bool chunk_insert(struct fr_chunk *c, void *entries, size_t size, size_t max,
                         const void *entry)
{
    char *at = entries;
    int64_t ms, other = -1;
    size_t i;

    memcpy(&ms, entry, sizeof ms);
    i = chunk_find(entries, size, c->count, ms);
    if (i < c->count)
        memcpy(&other, at + i * size, sizeof other);
    if (other != ms) {
        if (c->count == max)
            return false;
        memmove(at + (i + 1) * size, at + i * size, (c->count - i) * size);
        c->count++;
    }
    memcpy(at + i * size, entry, size);
    return true;
}

bool fr_chunk_add_number(struct fr_chunk *c, int64_t ms, float value)
{
    struct fr_number number = {ms, value};

    return chunk_insert(c, c->numbers, sizeof number, FR_CHUNK_POINTS_MAX, &number);
}

bool fr_chunk_add_position(struct fr_chunk *c, const struct fr_position *position)
{
    return chunk_insert(c, c->positions, sizeof *position, FR_CHUNK_POINTS_MAX, position);
}

static bool chunk_is_same_state(const struct fr_state *a, const struct fr_state *b)
{
    return a->kind == b->kind && a->number == b->number && a->text_len == b->text_len &&
           memcmp(a->text, b->text, a->text_len) == 0;
}

bool fr_chunk_add_state(struct fr_chunk *c, const struct fr_state *state)
{
    size_t i = chunk_find(c->states, sizeof *state, c->count, state->ms);

    if (i > 0 && chunk_is_same_state(&c->states[i - 1], state))
        return true;
    return chunk_insert(c, c->states, sizeof *state, FR_CHUNK_STATES_MAX, state);
}

void fr_chunk_summarise(struct fr_chunk *c, int64_t ms, float value)
{
    int64_t begin = ms - ms % fr_summary_span_ms(c->level);
    size_t i = chunk_find(c->summaries, sizeof *c->summaries, c->count, begin);
    uint32_t offset = (uint32_t)(ms - begin);
    struct fr_summary *s = &c->summaries[i];

    if (i == c->count || s->ms != begin) {
        struct fr_summary fresh = {begin, 1, offset, value, value, value, value};
        bool added = chunk_insert(c, c->summaries, sizeof fresh, FR_CHUNK_SUMMARIES_MAX, &fresh);

        assert(added); /* a chunk has no more intervals */
        (void)added;
        return;
    }
    if (s->count < UINT32_MAX)
        s->count++;
    s->average = (float)(s->average + ((double)value - s->average) / s->count);
    s->min = value < s->min ? value : s->min;
    s->max = value > s->max ? value : s->max;
    if (offset >= s->last_ms) {
        s->last_ms = offset;
        s->last = value;
    }
}

/* ---- writing --------------------------------------------------------------------- */

static void chunk_encode_numbers(const struct fr_chunk *c, struct fr_buffer *out)
{
    int64_t before = c->start_ms;

    for (size_t i = 0; i < c->count; before = c->numbers[i++].ms) {
        fr_pack_unsigned(out, (uint64_t)(c->numbers[i].ms - before));
        fr_pack_float(out, c->numbers[i].value);
    }
}

static void chunk_encode_summaries(const struct fr_chunk *c, struct fr_buffer *out)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct fr_summary *s = &c->summaries[i];

        fr_pack_unsigned(out, (uint64_t)((s->ms - c->start_ms) / fr_summary_span_ms(c->level)));
        fr_pack_unsigned(out, s->count);
        fr_pack_unsigned(out, s->last_ms);
        fr_pack_float(out, s->last);
        if (s->count == 1)
            continue; /* the other numbers are the same */
        fr_pack_float(out, s->min);
        fr_pack_float(out, s->max);
        fr_pack_float(out, s->average);
    }
}

static void chunk_encode_positions(const struct fr_chunk *c, struct fr_buffer *out)
{
    struct fr_position before = {c->start_ms, 0, 0};

    for (size_t i = 0; i < c->count; before = c->positions[i++]) {
        const struct fr_position *p = &c->positions[i];

        fr_pack_unsigned(out, (uint64_t)(p->ms - before.ms));
        fr_pack_signed(out, (int64_t)p->latitude - before.latitude);
        fr_pack_signed(out, (int64_t)p->longitude - before.longitude);
    }
}

static void chunk_encode_states(const struct fr_chunk *c, struct fr_buffer *out)
{
    int64_t before = c->start_ms;

    for (size_t i = 0; i < c->count; before = c->states[i++].ms) {
        const struct fr_state *s = &c->states[i];

        fr_pack_unsigned(out, (uint64_t)(s->ms - before));
        fr_buffer_byte(out, (uint8_t)s->kind);
        if (s->kind == FR_STATE_TEXT)
            fr_pack_text(out, s->text, s->text_len);
        else if (s->kind != FR_STATE_NONE)
            fr_pack_signed(out, s->number);
    }
}

void fr_chunk_encode(const struct fr_chunk *c, struct fr_buffer *out)
{
    fr_pack_begin(out, (char)c->kind);
    fr_pack_unsigned(out, c->count);
    switch (c->kind) {
    case FR_CHUNK_NUMBERS:
        chunk_encode_numbers(c, out);
        break;
    case FR_CHUNK_SUMMARIES:
        chunk_encode_summaries(c, out);
        break;
    case FR_CHUNK_POSITIONS:
        chunk_encode_positions(c, out);
        break;
    case FR_CHUNK_STATES:
        chunk_encode_states(c, out);
        break;
    }
    fr_pack_end(out);
}

/* ---- reading --------------------------------------------------------------------- */

/* Read a time as its distance from the entry before. Times must ascend and stay in the chunk. */
static int64_t chunk_decode_time(const struct fr_chunk *c, struct fr_unpack *in, size_t i,
                                 int64_t before)
{
    uint64_t distance = fr_unpack_unsigned(in);
    int64_t end = c->start_ms + fr_chunk_span_ms(c->kind, c->level);

    if ((i != 0 && distance == 0) || distance >= (uint64_t)(end - before)) {
        in->failed = true;
        return before;
    }
    return before + (int64_t)distance;
}

static float chunk_decode_float(struct fr_unpack *in)
{
    float number = fr_unpack_float(in);

    if (!isfinite(number))
        in->failed = true;
    return number;
}

static void chunk_decode_number(struct fr_chunk *c, struct fr_unpack *in, size_t i)
{
    int64_t before = i == 0 ? c->start_ms : c->numbers[i - 1].ms;

    c->numbers[i].ms = chunk_decode_time(c, in, i, before);
    c->numbers[i].value = chunk_decode_float(in);
}

static void chunk_decode_summary(struct fr_chunk *c, struct fr_unpack *in, size_t i)
{
    int64_t span = fr_summary_span_ms(c->level);
    uint64_t index = fr_unpack_unsigned(in), count = fr_unpack_unsigned(in),
             last_ms = fr_unpack_unsigned(in);
    struct fr_summary *s = &c->summaries[i];

    if (index >= (uint64_t)(fr_chunk_span_ms(c->kind, c->level) / span) || count == 0 ||
        count > UINT32_MAX || last_ms >= (uint64_t)span) {
        in->failed = true;
        return;
    }
    *s = (struct fr_summary){
        c->start_ms + (int64_t)index * span, (uint32_t)count, (uint32_t)last_ms, 0, 0, 0, 0};
    s->last = s->min = s->max = s->average = chunk_decode_float(in);
    if (s->count > 1) {
        s->min = chunk_decode_float(in);
        s->max = chunk_decode_float(in);
        s->average = chunk_decode_float(in);
    }
    if (i != 0 && s->ms <= c->summaries[i - 1].ms)
        in->failed = true;
}

static void chunk_decode_position(struct fr_chunk *c, struct fr_unpack *in, size_t i)
{
    struct fr_position before = {c->start_ms, 0, 0}, *p = &c->positions[i];
    int64_t latitude, longitude;

    if (i != 0)
        before = c->positions[i - 1];
    p->ms = chunk_decode_time(c, in, i, before.ms);
    latitude = fr_unpack_signed(in);
    longitude = fr_unpack_signed(in);
    if (latitude < -180000000 || latitude > 180000000 || longitude < -360000000 ||
        longitude > 360000000) {
        in->failed = true;
        return;
    }
    latitude += before.latitude;
    longitude += before.longitude;
    if (latitude < -90000000 || latitude > 90000000 || longitude < -180000000 ||
        longitude > 180000000) {
        in->failed = true;
        return;
    }
    p->latitude = (int32_t)latitude;
    p->longitude = (int32_t)longitude;
}

static void chunk_decode_state(struct fr_chunk *c, struct fr_unpack *in, size_t i)
{
    struct fr_state *s = &c->states[i];
    uint64_t kind;
    int64_t number = 0;

    memset(s, 0, sizeof *s);
    s->ms = chunk_decode_time(c, in, i, i == 0 ? c->start_ms : c->states[i - 1].ms);
    kind = fr_unpack_unsigned(in);
    if (kind == FR_STATE_TEXT)
        s->text_len = (uint8_t)fr_unpack_text(in, s->text, sizeof s->text);
    else if (kind != FR_STATE_NONE)
        number = fr_unpack_signed(in);
    if (kind > FR_STATE_TEXT || number < INT32_MIN || number > INT32_MAX)
        in->failed = true;
    else {
        s->kind = (enum fr_state_kind)kind;
        s->number = (int32_t)number;
    }
}

static uint64_t chunk_max(enum fr_chunk_kind kind)
{
    return kind == FR_CHUNK_STATES      ? FR_CHUNK_STATES_MAX
           : kind == FR_CHUNK_SUMMARIES ? FR_CHUNK_SUMMARIES_MAX
                                        : FR_CHUNK_POINTS_MAX;
}

bool fr_chunk_decode(struct fr_chunk *c, const void *bytes, size_t len)
{
    struct fr_unpack in;
    uint64_t count;

    c->count = 0;
    if (!fr_unpack_begin(&in, bytes, len, (char)c->kind))
        return false;
    count = fr_unpack_unsigned(&in);
    if (count > chunk_max(c->kind))
        return false;
    for (size_t i = 0; i < count && !in.failed; i++) {
        if (c->kind == FR_CHUNK_NUMBERS)
            chunk_decode_number(c, &in, i);
        else if (c->kind == FR_CHUNK_SUMMARIES)
            chunk_decode_summary(c, &in, i);
        else if (c->kind == FR_CHUNK_POSITIONS)
            chunk_decode_position(c, &in, i);
        else
            chunk_decode_state(c, &in, i);
    }
    if (!fr_unpack_end(&in))
        return false;
    c->count = count;
    return true;
}
