/* The link with which the owner adds the public key to a vehicle in the Tesla app. */
#ifndef FR_PAIRING_LINK_H
#define FR_PAIRING_LINK_H

#include "util/error.h"

/* Returns https://tesla.com/_ak/DOMAIN with the domain in lower case, and ?vin=VIN if `vin` is not
 * NULL. `domain` is the name that serves the public key: letters, digits and hyphens in at least two
 * labels of 1 to 63 characters, 253 in total, and no address. A VIN has 17 capital letters and digits.
 * The caller frees the text. NULL: `error` is set. */
char *fr_pairing_link(const char *domain, const char *vin, struct fr_error *error);

#endif
