/*
 * The links of TLS: the server at the public name, as a vehicle finds it.
 */
#ifndef FR_DOCTOR_TLS_H
#define FR_DOCTOR_TLS_H

#include "tool/doctor_state.h"

extern const struct fr_doctor_check fr_doctor_tls[];

#endif
