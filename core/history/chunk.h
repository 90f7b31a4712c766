/*
 * Chunks: the values of one field of one vehicle in a range of time, in a compact form.
 *
 *   level    chunk of  content
 *   raw      5 min     each value: numbers (float), positions (1e-6 degrees)
 *   raw      1 h       states: changes only, plus the first one of each chunk
 *   minute   1 h       numbers: count, min, max, average and last of each minute
 *   ten      12 h      the same of each 10 min
 *
 * The entries of a chunk have ascending times. A row is packed as in packing.h. Internal to
 * core/history. The functions are thread-safe; a chunk belongs to one thread at a time.
 */
#ifndef FR_HISTORY_CHUNK_H
#define FR_HISTORY_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buffer.h"

enum fr_history_level {
    FR_LEVEL_RAW,
    FR_LEVEL_MINUTE,
    FR_LEVEL_TEN_MINUTES,
    FR_LEVELS,
};

/* What a chunk contains; also the kind of its row. */
enum fr_chunk_kind {
    FR_CHUNK_NUMBERS = 'n',
    FR_CHUNK_SUMMARIES = 's',
    FR_CHUNK_POSITIONS = 'p',
    FR_CHUNK_STATES = 't',
};

/* Max entries of a chunk. A vehicle sends a field twice a second at most. */
#define FR_CHUNK_POINTS_MAX 600 /* numbers and positions */
#define FR_CHUNK_SUMMARIES_MAX 72
#define FR_CHUNK_STATES_MAX 240

#define FR_STATE_TEXT_SIZE 49 /* a longer text is cut to 48 bytes */

struct fr_number {
    int64_t ms; /* since 1970, as all times here */
    float value;
};

/* All numbers of one interval. */
struct fr_summary {
    int64_t ms; /* begin of the interval */
    uint32_t count;
    uint32_t last_ms; /* time of the newest number, from the begin of the interval */
    float min, max, average, last;
};

struct fr_position {
    int64_t ms;
    int32_t latitude, longitude; /* 1e-6 degrees */
};

enum fr_state_kind {
    FR_STATE_NONE, /* no value, or an invalid one */
    FR_STATE_NUMBER,
    FR_STATE_BOOLEAN,
    FR_STATE_TEXT,
};

struct fr_state {
    int64_t ms;
    enum fr_state_kind kind;
    int32_t number;   /* of an enum, a set of bits, or a boolean */
    uint8_t text_len; /* the text may contain NUL */
    char text[FR_STATE_TEXT_SIZE];
};

struct fr_chunk {
    enum fr_chunk_kind kind;
    enum fr_history_level level;
    int64_t start_ms;
    size_t count;
    union {
        struct fr_number numbers[FR_CHUNK_POINTS_MAX];
        struct fr_summary summaries[FR_CHUNK_SUMMARIES_MAX];
        struct fr_position positions[FR_CHUNK_POINTS_MAX];
        struct fr_state states[FR_CHUNK_STATES_MAX];
    };
};

/* The duration of a chunk, and of one summary of a level, in ms. */
int64_t fr_chunk_span_ms(enum fr_chunk_kind kind, enum fr_history_level level);
int64_t fr_summary_span_ms(enum fr_history_level level);

/* Begin an empty chunk that contains the time `ms`. */
void fr_chunk_begin(struct fr_chunk *chunk, enum fr_chunk_kind kind, enum fr_history_level level,
                    int64_t ms);

/* Add an entry, in any order of time; it must be in the range of the chunk. An entry with the time
 * of an existing one replaces it; a state equal to the state before it is not added. Returns false
 * if the chunk is full and the entry is not added. */
bool fr_chunk_add_number(struct fr_chunk *chunk, int64_t ms, float value);
bool fr_chunk_add_position(struct fr_chunk *chunk, const struct fr_position *position);
bool fr_chunk_add_state(struct fr_chunk *chunk, const struct fr_state *state);

/* Add a number to the summary of its interval. */
void fr_chunk_summarise(struct fr_chunk *chunk, int64_t ms, float value);

/* Write the chunk as a row. */
void fr_chunk_encode(const struct fr_chunk *chunk, struct fr_buffer *out);

/* Read a row into a chunk that fr_chunk_begin() has set up. Returns false if the row is no valid
 * chunk of this kind, level and time; then the chunk is empty. */
bool fr_chunk_decode(struct fr_chunk *chunk, const void *bytes, size_t len);

#endif
