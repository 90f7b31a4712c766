/*
 * doctor_result.h - the result of `fleetroute doctor` as JSON, and its file, which the daemon serves to
 * the pages.
 */
#ifndef FR_DOCTOR_RESULT_H
#define FR_DOCTOR_RESULT_H

#include "tool/doctor_state.h"
#include "util/buffer.h"

/* Append everything as one JSON object. */
void fr_doctor_put_json(const struct fr_doctor *doctor, struct fr_buffer *out);

/* Replace the file FR_DOCTOR_FILE in the folder `state:`, with mode 0640 and the owner of the folder.
 * A result for one vehicle (--vin) is not stored. Returns 0, also if this user may not write there or
 * the folder does not exist; -1 with `error` set for other failures. */
int fr_doctor_store(const struct fr_doctor *doctor, struct fr_error *error);

#endif
