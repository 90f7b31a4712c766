/*
 * The data of a simulated vehicle's message: fields of the catalogue, each with a value of its type.
 */
#ifndef FR_LOAD_DATA_H
#define FR_LOAD_DATA_H

#include <stddef.h>

#include "sim/sim_message.h"

/* The number of fields for which fr_load_data() has a value. */
size_t fr_load_data_max(void);

/* Write up to `count` data to `data`, in ascending order of field numbers: first the fields of a
 * driving vehicle, then the others of the catalogue. Returns their number, at most
 * fr_load_data_max(). The texts are constant. Any thread. */
size_t fr_load_data(struct fr_sim_datum *data, size_t count);

#endif
