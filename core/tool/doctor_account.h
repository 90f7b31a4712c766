/*
 * The links of the owner's account at Tesla: clock, tokens, scopes, region, registration; and what
 * `fleetroute keep` has recorded.
 */
#ifndef FR_DOCTOR_ACCOUNT_H
#define FR_DOCTOR_ACCOUNT_H

#include "tool/doctor_state.h"

extern const struct fr_doctor_check fr_doctor_account[];
extern const struct fr_doctor_check fr_doctor_keep[];

#endif
