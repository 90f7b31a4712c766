/* Calls with the partner token: the registration of the domain. Part of fleet_api/api.h. */
#ifndef FR_API_PARTNER_H
#define FR_API_PARTNER_H

#include "fleet_api/api_error.h"
#include "fleet_api/api_types.h"

struct fr_api;

/* Register the domain in the region in use. */
int fr_api_register(struct fr_api *api, struct fr_api_error *error);

/* The public key that Tesla has for the domain, as lower-case hexadecimal digits of the point (130).
 * The caller frees it. NULL: `error` is set. */
char *fr_api_registered_key(struct fr_api *api, struct fr_api_error *error);

#endif
