/* Steps of setup at Tesla: the application, its registration, the owner's consent, the region. */
#ifndef FR_SETUP_ACCOUNT_H
#define FR_SETUP_ACCOUNT_H

#include "tool/setup.h"

extern const struct fr_setup_step fr_setup_step_application;
extern const struct fr_setup_step fr_setup_step_registration;
extern const struct fr_setup_step fr_setup_step_consent;
extern const struct fr_setup_step fr_setup_step_region;

#endif
