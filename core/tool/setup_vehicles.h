/* Steps of setup for the vehicles: which ones, and the pairing of the key. */
#ifndef FR_SETUP_VEHICLES_H
#define FR_SETUP_VEHICLES_H

#include "tool/setup.h"

extern const struct fr_setup_step fr_setup_step_vehicles;
extern const struct fr_setup_step fr_setup_step_pairing;

#endif
