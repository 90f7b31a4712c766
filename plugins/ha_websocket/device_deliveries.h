/*
 * The deliveries of a device until their outcome is reported: pending for the next batch, or in
 * flight with the current batch. Used on the sink's thread.
 */
#ifndef FR_DEVICE_DELIVERIES_H
#define FR_DEVICE_DELIVERIES_H

#include "ha_websocket/device_state.h"

/* Batches in a row with entities that Home Assistant does not have, until their deliveries fail. */
#define DEVICE_ATTEMPTS_MAX 3

/* In fr_entity_state.plugin_flags: Home Assistant answered not_registered to the newest state. */
#define DEVICE_ENTITY_UNREGISTERED 1u

/* The same: the newest answer was that the entity is disabled. */
#define DEVICE_ENTITY_DISABLED 2u

/* Enqueue a delivery that the vehicle has received. Entities that were unregistered and that the
 * delivery contributes to are announced again. */
void device_enqueue(struct device *device, struct fr_delivery *delivery);

/* Move pending deliveries to those in flight. Without memory, the rest remains pending. */
void device_deliveries_begin(struct device *device);

/* Report one outcome for all deliveries of a list, and empty the list. */
void device_deliveries_complete(const struct device *device, struct delivery_list *list,
                                enum fr_outcome outcome);

/* Complete the deliveries in flight: those that contribute to an unregistered entity fail
 * (FR_FAILED; the sink retries them up to its limit), all others are done. */
void device_deliveries_complete_batch(struct device *device);

#endif
