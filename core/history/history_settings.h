/* The settings of the history (section `history:` of the server configuration). */
#ifndef FR_HISTORY_SETTINGS_H
#define FR_HISTORY_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

struct fr_history_settings {
    const char *folder;     /* copied */
    uint64_t size;          /* bytes in pages of the file */
    int64_t keep_ms;        /* of numbers for each minute, states and positions */
    size_t vehicles;        /* max vehicles that have a history */
    const uint32_t *fields; /* the only fields that are stored; copied */
    size_t field_count;     /* 0: all fields */
};

/* Kept beside keep_ms: each number; and numbers for each 10 minutes, sessions, alerts, connections,
 * and signals. */
#define FR_HISTORY_RAW_MS (INT64_C(48) * 3600 * 1000)
#define FR_HISTORY_LONG_MS (INT64_C(400) * 24 * 3600 * 1000)

#endif
