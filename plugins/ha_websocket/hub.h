/*
 * All vehicles of a sink as devices of one Home Assistant. Routes deliveries to devices and events,
 * looks devices up in Home Assistant's registry, and queues devices that have something to send.
 *
 * Each vehicle has one batch of commands without an answer at a time; later changes are sent with
 * the next batch. So the order of each vehicle is kept, vehicles do not wait for each other, and a
 * slow Home Assistant gets fewer and larger messages.
 *
 * Used on the sink's thread.
 */
#ifndef FR_HUB_H
#define FR_HUB_H

#include "ha_websocket/session.h"
#include "home_assistant/entities.h"

struct hub;

/* Begin to connect. All arguments must outlive the hub. NULL: no memory. */
struct hub *hub_new(struct fr_sink *sink, const struct fr_host *host, const struct peer *peer,
                    const struct fr_entities *entities);

/* Save unsaved registrations, and free the hub; NULL is allowed. Deliveries without an outcome get
 * none. */
void hub_free(struct hub *hub);

/* Receive a delivery. Its outcome is reported now or later. Call hub_send() after the last delivery
 * of a batch. */
void hub_receive(struct hub *hub, struct fr_delivery *delivery);

/* Send the changes of queued devices as far as the session has capacity. */
void hub_send(struct hub *hub);

#endif
