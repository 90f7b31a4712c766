/* Makes the vehicles of a load. Internal to core/sim. */
#ifndef FR_LOAD_VEHICLES_H
#define FR_LOAD_VEHICLES_H

#include "sim/load_state.h"

/* Make load->vehicles as load->settings require, each with a certificate of its own. `callbacks` has
 * the functions that vehicles call; their ctx is the struct load_vehicle. -1: `error` is set, and
 * the vehicles made so far remain. */
int fr_load_make_vehicles(struct fr_load *load, const struct fr_car_settings *callbacks,
                          struct fr_pki *pki, struct fr_error *error);

#endif
