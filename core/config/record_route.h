/*
 * An entry of `records:` in routing.yaml. Internal to the reading of routing.yaml.
 */
#ifndef FR_RECORD_ROUTE_H
#define FR_RECORD_ROUTE_H

#include "config/route_options.h"

/* The options of record routes. */
extern const struct fr_route_kind fr_record_route_kind;

/* Read a record route and append it to r->routing. Errors go to the diagnostics of the file. */
void fr_record_route_read(struct fr_routing_reader *r, const struct fr_yaml *node);

/* Free the members of a record route. */
void fr_record_route_free(struct fr_record_route *route);

#endif
