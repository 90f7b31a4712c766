/*
 * The links of the running daemon: its status, vehicles, journal, disk, sinks and sources.
 */
#ifndef FR_DOCTOR_DAEMON_H
#define FR_DOCTOR_DAEMON_H

#include <jansson.h>

#include "tool/doctor_state.h"

extern const struct fr_doctor_check fr_doctor_daemon[];

/* A number from 0 to FR_DOCTOR_NUMBER_MAX of a reply, so that sums and differences of numbers do not
 * overflow; 0 if there is none. */
int64_t fr_doctor_number(const json_t *object, const char *key);
#define FR_DOCTOR_NUMBER_MAX (INT64_MAX / 4)

/* When the daemon received the last record of a vehicle, in ms since 1970; 0: never, or not known. */
int64_t fr_doctor_last_record_ms(const struct fr_doctor *doctor, const char *vin);

#endif
