/*
 * The JSON answers of Tesla's owner API, made from the values of a vehicle: the members that TeslaMate
 * and similar clients read. Unknown values are null. Units are Tesla's: miles, mph, °C, bar, kW.
 *
 * Each function returns a new object, which the caller releases with json_decref(), or NULL without
 * memory. Used on the sink's thread.
 */
#ifndef FR_TESLAMATE_VEHICLE_JSON_H
#define FR_TESLAMATE_VEHICLE_JSON_H

#include <jansson.h>

#include "teslamate/vehicles.h"

/* A product, and the answer of /api/1/vehicles/ID. */
json_t *vehicle_json_summary(const struct vehicle *vehicle);

/* The answer of /api/1/vehicles/ID/vehicle_data of a vehicle that is online. */
json_t *vehicle_json_data(const struct vehicle *vehicle);

#endif
