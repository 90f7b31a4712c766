/* Calls with the user's token on the account and its vehicles. Part of fleet_api/api.h. */
#ifndef FR_API_USER_H
#define FR_API_USER_H

#include "fleet_api/api_error.h"
#include "fleet_api/api_types.h"

struct fr_api;

/* Ask users/region and change to its base URL. `region` gets "na", "eu", … */
int fr_api_region(struct fr_api *api, char region[16], struct fr_api_error *error);

/* All pages, which may take 5 minutes. The caller frees `list`. */
int fr_api_vehicles(struct fr_api *api, struct fr_api_vehicles *vehicles,
                    struct fr_api_error *error);

/* One status for each VIN, in the same order; `status` has `count` elements. A vehicle that Tesla does
 * not find is not `known`. */
int fr_api_fleet_status(struct fr_api *api, const char *const *vins, size_t count,
                        struct fr_api_vehicle_status *status, struct fr_api_error *error);

#endif
