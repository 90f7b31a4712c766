/* Step of setup: the sinks that receive the data. */
#ifndef FR_SETUP_SINKS_H
#define FR_SETUP_SINKS_H

#include "tool/setup.h"

extern const struct fr_setup_step fr_setup_step_sinks;

#endif
