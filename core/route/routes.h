/*
 * The routing as ingest and submit need it: which vehicles are admitted, and which sinks have a
 * route for a record.
 *
 * Made from the routing and the sinks at the start and at each reload, then constant: every worker
 * reads it without a lock.
 */
#ifndef FR_ROUTES_H
#define FR_ROUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/routing_config.h"
#include "record/record.h"

struct fr_sink;
struct fr_journal;
struct fr_routes;

/* Sets of sinks: bit i is the sink with index i. */
struct fr_targets {
    uint64_t sinks; /* have a route for the record */
    uint64_t acks;  /* among them: the acknowledgement of the record waits for these */
};

/* Make the routes. They take a reference of the routing. `sinks` is copied; the sinks and the
 * journal (NULL: off) must outlive the routes. The caller frees the routes. */
struct fr_routes *fr_routes_new(struct fr_routing *routing, struct fr_sink *const *sinks,
                                size_t sink_count, struct fr_journal *journal);

/* Free the routes. NULL is ignored. */
void fr_routes_free(struct fr_routes *routes);

/* Whether a vehicle is listed under `vehicles:`. Without such a list every vehicle is admitted. */
bool fr_routes_admit(const struct fr_routes *routes, const char *vin);

/* The name of a vehicle under `vehicles:`; NULL: it has none. The routes own it. */
const char *fr_routes_vehicle_name(const struct fr_routes *routes, const char *vin);

/* Whether a route names this topic. Only for topics that have no record type of their own
 * (FR_RECORD_OTHER). */
bool fr_routes_names_topic(const struct fr_routes *routes, const char *topic, size_t len);

/* Whether a route names this topic or is a route of "*". Only for FR_RECORD_OTHER. */
bool fr_routes_has_topic(const struct fr_routes *routes, const char *topic, size_t len);

/* The sinks that have a route for a record. */
struct fr_targets fr_routes_targets(const struct fr_routes *routes, const struct fr_record *record);

/* Whether all routes of a record can express it: a route with `format: tesla-json` cannot express a
 * time outside the years 1 to 9999. */
bool fr_routes_can_express(const struct fr_routes *routes, const struct fr_record *record);

/* The sink with an index below fr_routes_sink_count(). */
struct fr_sink *fr_routes_sink(const struct fr_routes *routes, size_t index);
size_t fr_routes_sink_count(const struct fr_routes *routes);

/* The journal; NULL: off. */
struct fr_journal *fr_routes_journal(const struct fr_routes *routes);

/* The sinks in the `ack:` list of any route. */
uint64_t fr_routes_ack_sinks(const struct fr_routes *routes);

#endif
