/* check_routing.h - what `fleetroute check` warns of in vehicles and routes, and the daemon accepts. */
#ifndef FR_CHECK_ROUTING_H
#define FR_CHECK_ROUTING_H

#include "daemon/setup.h"

/* Check the check digit of each VIN under `vehicles:`, and that a route leads to each sink. Appends
 * warnings to setup->diagnostics. Nothing if the routing could not be read. */
void fr_check_routing(struct fr_setup *setup);

#endif
