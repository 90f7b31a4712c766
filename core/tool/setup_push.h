/* Step of setup: the telemetry configuration is signed, pushed, and in the vehicles. */
#ifndef FR_SETUP_PUSH_H
#define FR_SETUP_PUSH_H

#include "tool/setup.h"

extern const struct fr_setup_step fr_setup_step_push;

#endif
