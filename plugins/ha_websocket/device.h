/*
 * One vehicle as a device of Home Assistant: creation, end, and loss of the connection. Used on the
 * sink's thread.
 */
#ifndef FR_DEVICE_H
#define FR_DEVICE_H

#include "ha_websocket/device_state.h"

/* Make the device of a vehicle and read its saved registration. The arguments must outlive it.
 * NULL: no memory. */
struct device *device_new(const struct device_env *env, struct fr_ha_vehicle *vehicle);

/* Save the registration and free the device. Deliveries get no outcome. The type is that of
 * fr_vehicles_free(). */
void device_free(void *device);

/* The session was lost: complete all deliveries with FR_RETRY, and look up the device again. */
void device_disconnected(struct device *device);

/* Set whether the device is in the hub's queue. Returns the value before. */
bool device_set_queued(struct device *device, bool queued);

#endif
