/*
 * What was read from the journal and is not written yet. Internal to core/history; used by the
 * history's thread alone. The memory is bounded: fr_history_batch_full() is checked before each
 * record.
 */
#ifndef FR_HISTORY_BATCH_H
#define FR_HISTORY_BATCH_H

#include "history/chunk.h"
#include "history/history_vehicles.h"

/* A batch with more values, texts or rows is full. One record may exceed each bound by its size. */
#define FR_HISTORY_BATCH_VALUES 50000
#define FR_HISTORY_BATCH_TEXT (1u << 20)
#define FR_HISTORY_BATCH_ROWS 2000

enum fr_batch_kind {
    FR_BATCH_COUNT, /* only counted as a signal */
    FR_BATCH_NUMBER,
    FR_BATCH_POSITION,
    FR_BATCH_STATE,
};

/* One value of a vehicle. */
struct fr_batch_value {
    struct fr_history_vehicle *vehicle;
    uint32_t field; /* FR_DAY_OTHER: not in the catalogue */
    uint32_t day;   /* of the receipt, in days since 1970 */
    uint32_t order; /* in which the values were added */
    enum fr_batch_kind kind;
    int64_t ms; /* since 1970 */
    union {
        float number;
        struct {
            int32_t latitude, longitude; /* 1e-6 degrees */
        } position;
        struct {
            enum fr_state_kind kind;
            int32_t number;
            uint32_t text; /* offset in the texts of the batch */
            uint8_t text_len;
        } state;
    };
};

enum fr_batch_row_kind {
    FR_BATCH_ALERT,
    FR_BATCH_CONNECTION,
    FR_BATCH_SESSION,
};

/* One row of another kind. */
struct fr_batch_row {
    struct fr_history_vehicle *vehicle;
    enum fr_batch_row_kind kind;
    bool discard; /* a session that is none: its row is deleted */
    union {
        struct fr_alert alert;
        struct fr_connection connection;
        struct fr_session session;
    };
};

struct fr_history_batch {
    struct fr_batch_value *values;
    size_t count, capacity;
    struct fr_buffer texts;
    struct fr_batch_row *rows;
    size_t row_count, row_capacity;
};

/* Add a value. Its text, if it is a state with a text, is copied. */
void fr_history_batch_add(struct fr_history_batch *batch, const struct fr_batch_value *value,
                          const char *text);

void fr_history_batch_add_row(struct fr_history_batch *batch, const struct fr_batch_row *row);

bool fr_history_batch_full(const struct fr_history_batch *batch);

/* Sort the values by vehicle, field, time and order. */
void fr_history_batch_sort(struct fr_history_batch *batch);

/* Make the batch empty; memory of a large batch is freed. */
void fr_history_batch_clear(struct fr_history_batch *batch);
void fr_history_batch_free(struct fr_history_batch *batch);

#endif
