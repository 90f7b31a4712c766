/*
 * The links of the command key: its file, its public half under the public name, the application.
 */
#ifndef FR_DOCTOR_KEY_H
#define FR_DOCTOR_KEY_H

#include "tool/doctor_state.h"

extern const struct fr_doctor_check fr_doctor_key[];

#endif
