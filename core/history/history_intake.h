/*
 * Reads records: their values, alerts and connections become entries of the batch, and sessions are
 * derived. Internal to core/history; used by the history's thread alone.
 */
#ifndef FR_HISTORY_INTAKE_H
#define FR_HISTORY_INTAKE_H

#include "history/history_batch.h"
#include "history/history_settings.h"
#include "record/record.h"

struct fr_history_intake {
    struct fr_history_vehicles *vehicles;
    struct fr_history_batch batch;
    int64_t keep_ms;
    bool *chosen; /* by number of the field, fr_field_count() members; NULL: all fields */
    size_t max_vehicles;
};

/* Set up an intake without vehicles; the caller frees it. */
void fr_history_intake_init(struct fr_history_intake *intake,
                            const struct fr_history_settings *settings);
void fr_history_intake_free(struct fr_history_intake *intake);

/* Returns whether records of the type are read. */
bool fr_history_wants(enum fr_record_type type);

/* Read a record at the time now_ms (ms since 1970). A time that is more than 5 minutes ahead of it,
 * or older than is kept, is counted, and the value counts as a signal only. */
void fr_history_take(struct fr_history_intake *intake, struct fr_record *record, int64_t now_ms);

/* End the sessions of vehicles that are silent, and add those in progress to the batch. now_ms is
 * the present of the record that was read last. Called once before the batch is written. */
void fr_history_take_sessions(struct fr_history_intake *intake, int64_t now_ms);

#endif
