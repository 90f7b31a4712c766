/*
 * The keys of the history's file. Rows of one vehicle follow each other, and so do the chunks of one
 * field and level, in the order of their time.
 *
 *   VIN, NUL, kind (1 byte), field (u32), level (u8), time (u64, ms since 1970), extra (u32)
 *
 * Numbers are big-endian. Internal to core/history. The functions are thread-safe.
 */
#ifndef FR_HISTORY_KEY_H
#define FR_HISTORY_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/record_types.h"

/* The kinds of rows, which are also the kinds of packing.h, except for chunks. */
enum fr_history_kind {
    FR_HISTORY_ALERT = 'A',      /* time: its start; extra: hash of its name */
    FR_HISTORY_CONNECTION = 'C', /* extra: hash of its content */
    FR_HISTORY_DAY = 'D',        /* signals of a day (UTC) by field; time: its begin */
    FR_HISTORY_SERIES = 'F',     /* a chunk; field, level, time: begin of the chunk */
    FR_HISTORY_SESSION = 'S',    /* time: its begin; extra: enum fr_session_kind */
    FR_HISTORY_VEHICLE = 'V',    /* one row of each vehicle */
};

#define FR_HISTORY_KEY_TAIL 18 /* bytes behind the NUL */
#define FR_HISTORY_KEY_MAX (FR_VIN_MAX + 1 + FR_HISTORY_KEY_TAIL)

struct fr_history_key {
    char vin[FR_VIN_MAX + 1];
    enum fr_history_kind kind;
    uint32_t field;
    uint8_t level;
    int64_t ms; /* 0 or more */
    uint32_t extra;
};

/* Write a key. Returns its length. */
size_t fr_history_key_write(const struct fr_history_key *key, uint8_t bytes[FR_HISTORY_KEY_MAX]);

/* Parse a key. Returns false for bytes that are none. */
bool fr_history_key_parse(const void *bytes, size_t len, struct fr_history_key *key);

/* Returns whether both keys are of the same vehicle, kind, field and level. */
bool fr_history_key_same_series(const struct fr_history_key *a, const struct fr_history_key *b);

#endif
