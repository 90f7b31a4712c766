/*
 * The layout `homeassistant`: entities announced under Home Assistant's discovery prefix, and their
 * retained states in these topics:
 *   BASE/status          "online" or "offline": fleetroute; topic of the last will
 *   BASE/VIN/status      "online", or with `when_away: unavailable` "offline" for a vehicle
 *                        that is not connected
 *   BASE/VIN/ENTITY      a state; "None" or "unknown" without a value
 *   BASE/VIN/alert       {"event_type":"alarm","name":…,"started_ms":…} for a live alert; not retained
 *   BASE/VIN/location    {"latitude":…,"longitude":…,"gps_accuracy":…,…} of a tracker
 *   BASE/VIN/location/status  "offline" shortly before an old position is published, so that it
 *                        triggers no zone automation (home_assistant/published.h)
 *
 * All functions run on the sink's thread.
 */
#ifndef FR_DISCOVERY_H
#define FR_DISCOVERY_H

#include "home_assistant/entities.h"
#include "mqtt/tesla_topics.h"

struct discovery;

/* Create the layout, with the sink's options. `topics` and `entities` must outlive it;
 * topics->broker may be set later. NULL: no memory. */
struct discovery *discovery_new(const struct topics *topics, const struct fr_entities *entities);

/* NULL is allowed. */
void discovery_free(struct discovery *discovery);

/* The topic of the last will; valid as long as the layout. */
const char *discovery_will(const struct discovery *discovery);

/* Handle the events of the broker (struct broker_events). */
void discovery_up(struct discovery *discovery);
void discovery_down(struct discovery *discovery);
void discovery_message(struct discovery *discovery, const char *topic, const char *payload,
                       size_t len, bool retained);

/* Run one step of the pass over all vehicles that follows a connection. True: progress was made. */
bool discovery_background(struct discovery *discovery);

/* Whether the retained positions were read, so that deliveries may be published. */
bool discovery_ready(const struct discovery *discovery);

/* Apply a delivery to its vehicle (first call) and publish the changes, as far as the broker has
 * capacity. True: the job is complete. */
bool discovery_produce(struct discovery *discovery, struct job *job);

/* Publish "offline" before closing. */
void discovery_end(struct discovery *discovery);

#endif
