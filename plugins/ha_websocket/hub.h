/*
 * hub.h - all vehicles of a sink as devices of one Home Assistant.
 *
 * A vehicle has one flight of commands under way at a time: its place, new entities, and changed
 * states. What comes meanwhile joins the next flight. So vehicles are independent of each other,
 * each one's order is kept, and a slow Home Assistant gets fewer, fuller messages.
 */
#ifndef FR_HUB_H
#define FR_HUB_H

#include "ha_websocket/session.h"
#include "home_assistant/vehicles.h"

struct hub;

/* NULL: no memory. All arguments outlive it. */
struct hub *hub_new(struct fr_sink *sink, const struct fr_host *host, const struct peer *peer,
                    const struct fr_entities *entities);
void hub_free(struct hub *hub);

/* Take a delivery, whose answer will come; hub_go() afterwards sends what has gathered. */
void hub_take(struct hub *hub, struct fr_delivery *delivery);
void hub_go(struct hub *hub);

#endif
