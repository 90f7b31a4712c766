/*
 * The links of the running daemon: its status, vehicles, journal, disk, sinks and sources.
 */
#ifndef FR_DOCTOR_DAEMON_H
#define FR_DOCTOR_DAEMON_H

#include "tool/doctor_state.h"

extern const struct fr_doctor_check fr_doctor_daemon[];

/* When the daemon received the last record of a vehicle, in ms since 1970; 0: never, or not known. */
int64_t fr_doctor_last_record_ms(const struct fr_doctor *doctor, const char *vin);

#endif
