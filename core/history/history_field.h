/*
 * What the history stores of a value, by the kind of its field. Any thread may call these functions.
 */
#ifndef FR_HISTORY_FIELD_H
#define FR_HISTORY_FIELD_H

#include "history/chunk.h"
#include "history/history_batch.h"
#include "record/payload.h"

/* Returns whether values of the field are stored, and as which kind of chunk. Fields that are not in
 * the catalogue and times are not stored. */
bool fr_history_field_kind(uint32_t field, enum fr_chunk_kind *kind);

/* Convert a value to the form in which it is stored. value->kind becomes FR_BATCH_COUNT if it is not
 * stored: a value of another kind than its field's, and a missing number. *text is set for a state
 * with a text and points into the datum. */
void fr_history_field_value(const struct fr_datum *datum, struct fr_batch_value *value,
                            const char **text);

#endif
