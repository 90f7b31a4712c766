/*
 * The links of each vehicle at Tesla: account, key, telemetry configuration, errors.
 */
#ifndef FR_DOCTOR_VEHICLE_H
#define FR_DOCTOR_VEHICLE_H

#include "tool/doctor_state.h"

extern const struct fr_doctor_check fr_doctor_vehicle[];

#endif
