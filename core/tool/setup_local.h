/* Steps of setup on this machine: the checklist, the name and the port, the command key. */
#ifndef FR_SETUP_LOCAL_H
#define FR_SETUP_LOCAL_H

#include "tool/setup.h"

extern const struct fr_setup_step fr_setup_step_account;
extern const struct fr_setup_step fr_setup_step_name;
extern const struct fr_setup_step fr_setup_step_key;

#endif
