/*
 * The links of TLS: what a vehicle meets at the public name.
 */
#ifndef FR_DOCTOR_TLS_H
#define FR_DOCTOR_TLS_H

#include "tool/doctor_state.h"

extern const struct fr_doctor_check fr_doctor_tls[];

#endif
