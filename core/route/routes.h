/*
 * routes.h - what ingest asks of the routing: who is let in, and which sinks want a record.
 *
 * Made once from the routing and the sinks, read by every worker without a lock.
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

/* Which sinks want a record, and which of them its acknowledgement waits for: bits by the
 * sinks' places. */
struct fr_targets {
    uint64_t sinks;
    uint64_t acks;
};

/* The routes hold on to the routing; sinks and journal (NULL: off) must outlive them. */
struct fr_routes *fr_routes_new(struct fr_routing *routing, struct fr_sink *const *sinks,
                                size_t sink_count, struct fr_journal *journal);
void fr_routes_free(struct fr_routes *routes);

/* Whether a vehicle is on the list; every one is when there is no list. */
bool fr_routes_admit(const struct fr_routes *routes, const char *vin);

/* Whether a route names a topic that has no type of ours. */
bool fr_routes_names_topic(const struct fr_routes *routes, const char *topic, size_t len);

/* Whether a topic that has no type of ours is routed by name or by "*". */
bool fr_routes_know_topic(const struct fr_routes *routes, const char *topic, size_t len);

struct fr_targets fr_routes_targets(const struct fr_routes *routes, const struct fr_record *record);

struct fr_sink *fr_routes_sink(const struct fr_routes *routes, size_t place);
size_t fr_routes_sink_count(const struct fr_routes *routes);

struct fr_journal *fr_routes_journal(const struct fr_routes *routes);

/* Sinks that some acknowledgement waits for. */
uint64_t fr_routes_ack_sinks(const struct fr_routes *routes);

/* A listener that sees every record while it is switched on, beside the sinks (`fleetroute
 * tail`); one for all routes there ever are. tap() is called on the workers' threads. */
void fr_tap_set(void (*tap)(void *ctx, struct fr_record *record), void *ctx);
void fr_tap_on(bool on);
void fr_tap(struct fr_record *record);

#endif
