/*
 * An entry of `fields:` in routing.yaml, and the properties of its options that core/route uses.
 */
#ifndef FR_FIELD_ROUTE_H
#define FR_FIELD_ROUTE_H

#include "config/route_options.h"

/* The options of field routes. */
extern const struct fr_route_kind fr_field_route_kind;

/* Read a field route and append it to r->routing. Errors go to the diagnostics of the file. */
void fr_field_route_read(struct fr_routing_reader *r, const struct fr_yaml *node);

/* Free the members of a field route. */
void fr_field_route_free(struct fr_field_route *route);

/* Whether two routes treat the same fields alike, so that one takes over the state of the other at
 * a reload. Their sinks do not matter. Any thread. */
bool fr_field_route_equal(const struct fr_field_route *a, const struct fr_field_route *b);

/* Whether an option of the route needs a slot for each vehicle and field. Any thread. */
bool fr_field_route_has_state(const struct fr_field_route *route);

/* The unit in which a route with the option `unit: asked` delivers a field whose unit on the wire
 * is `wire`; NULL: it cannot be converted. "": the field has no unit. */
const char *fr_field_route_unit(const char *asked, const char *wire);

/* A hash of the options except the fields: the same number for equal routes in any routing of this
 * process. Any thread. */
uint32_t fr_field_route_id(const struct fr_field_route *route);

#endif
