/* Tesla's hosts in each region. Source: Tesla's pages on the regions and on authentication. */
#ifndef FR_TESLA_HOSTS_H
#define FR_TESLA_HOSTS_H

#include <stdbool.h>

#include "config/server_types.h"

/* Base URL of the Fleet API; AUTO is North America. Static text. */
const char *fr_tesla_base_url(enum fr_tesla_region region);

/* URL of the token endpoint, and of the page where the owner logs in. China has its own. Static. */
const char *fr_tesla_token_url(enum fr_tesla_region region);
const char *fr_tesla_authorize_url(enum fr_tesla_region region);

/* The region for "na", "eu" or "cn"; AUTO for any other text. */
enum fr_tesla_region fr_tesla_region_named(const char *name);

/* Whether a host (lower case, maybe with a port) belongs to Tesla's Fleet API: fleet-api.….tesla.com
 * or .tesla.cn, port 443. Only such a host gets an access token. */
bool fr_tesla_is_api_host(const char *host);

#endif
