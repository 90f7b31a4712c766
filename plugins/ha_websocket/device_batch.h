/*
 * Sends the changes of a vehicle in batches of commands. A batch contains the position, new
 * entities, and changed states; it is complete when all its commands are answered. Changes that
 * arrive meanwhile are sent with the next batch. Used on the sink's thread.
 */
#ifndef FR_DEVICE_BATCH_H
#define FR_DEVICE_BATCH_H

#include "ha_websocket/device_state.h"

/* Send the next batch, if the device is ready and has changes or deliveries, and no batch is
 * active. Returns false if the session has no capacity: call it again later. */
bool device_send_batch(struct device *device);

/* Call it every second. Returns true if the device has changes or deliveries for a batch. */
bool device_tick(struct device *device);

#endif
