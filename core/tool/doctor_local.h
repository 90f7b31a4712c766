/*
 * The links on this machine: the configuration, the public name and its port.
 */
#ifndef FR_DOCTOR_LOCAL_H
#define FR_DOCTOR_LOCAL_H

#include "tool/doctor_state.h"

extern const struct fr_doctor_check fr_doctor_local[];

#endif
