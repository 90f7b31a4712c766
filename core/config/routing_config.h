/*
 * Reads and checks routing.yaml: the routes of records and field values to sinks, and the vehicles
 * that are admitted.
 */
#ifndef FR_ROUTING_CONFIG_H
#define FR_ROUTING_CONFIG_H

#include "config/diagnostics.h"
#include "config/routing_types.h"

/* Read a routing file. `sinks` are the names of the sinks in the order of the server configuration.
 * All errors and warnings go to `diagnostics`; NULL: there was an error. The caller owns the one
 * reference of the result. */
struct fr_routing *fr_routing_load(const char *path, const char *const *sinks, size_t sink_count,
                                   struct fr_diagnostics *diagnostics);

/* Read a routing from a text. `path` is the name of the file in messages. */
struct fr_routing *fr_routing_parse(const char *text, size_t len, const char *path,
                                    const char *const *sinks, size_t sink_count,
                                    struct fr_diagnostics *diagnostics);

/* Take and release a reference; the last release frees the routing. NULL is ignored. Any thread. */
struct fr_routing *fr_routing_ref(struct fr_routing *routing);
void fr_routing_unref(struct fr_routing *routing);

#endif
