/*
 * The link of Home Assistant: the entities of each vehicle, as Home Assistant has them.
 */
#ifndef FR_DOCTOR_HOME_H
#define FR_DOCTOR_HOME_H

#include "tool/doctor_state.h"

extern const struct fr_doctor_check fr_doctor_home[];

#endif
