/* Steps of setup: the routes of fields and records to the sinks, and what they cost. */
#ifndef FR_SETUP_ROUTES_H
#define FR_SETUP_ROUTES_H

#include "tool/setup.h"

extern const struct fr_setup_step fr_setup_step_routes;
extern const struct fr_setup_step fr_setup_step_cost;

#endif
