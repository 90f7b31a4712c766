/*
 * discovery.h - the layout `homeassistant`: entities announced under Home Assistant's discovery
 * prefix, their states retained under topics of ours:
 *   BASE/status          "online" or "offline": fleetroute; the last will
 *   BASE/VIN/status      the vehicle, where a sleeping one is to be shown as unavailable
 *   BASE/VIN/ENTITY      a state; "None" or "unknown" where there is none
 *   BASE/VIN/location    {"latitude":…,"longitude":…,"gps_accuracy":…,…} of a tracker
 *   BASE/VIN/location/status  "offline" for the moment in which a place is told that we only
 *                        heard of (home_assistant/shown.h)
 */
#ifndef FR_DISCOVERY_H
#define FR_DISCOVERY_H

#include "home_assistant/entities.h"
#include "mqtt/tesla_topics.h"

struct discovery;

/* `topics` must outlive it; its broker may be set later. NULL: no memory. */
struct discovery *discovery_new(const struct topics *topics, const struct fr_entities *entities);
void discovery_free(struct discovery *discovery);

/* The topic of the last will. */
const char *discovery_will(const struct discovery *discovery);

/* The broker's events. */
void discovery_up(struct discovery *discovery);
void discovery_down(struct discovery *discovery);
void discovery_message(struct discovery *discovery, const char *topic, const char *payload,
                       size_t len, bool retained);

/* Tell something of the pass over all vehicles that follows a connection. True: something was done. */
bool discovery_background(struct discovery *discovery);

/* Whether it knows what the broker keeps, so that it can take deliveries. */
bool discovery_ready(const struct discovery *discovery);

/* Take a delivery in at first, and publish what it changes, as much as the broker has capacity for.
 * True: that was all. */
bool discovery_produce(struct discovery *discovery, struct job *job);

/* The last words before an orderly end. */
void discovery_end(struct discovery *discovery);

#endif
