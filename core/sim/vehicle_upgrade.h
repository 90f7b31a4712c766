/*
 * The HTTP upgrade of a simulated vehicle: writes the request of a vehicle and reads the response.
 */
#ifndef FR_VEHICLE_UPGRADE_H
#define FR_VEHICLE_UPGRADE_H

#include <stddef.h>
#include <stdint.h>

#include "util/buffer.h"

enum fr_car_upgrade {
    FR_CAR_UPGRADE_REFUSED,
    FR_CAR_UPGRADE_EXTENSION,  /* the server accepted compression: a vehicle then disconnects */
    FR_CAR_UPGRADE_INCOMPLETE, /* more bytes are needed */
    FR_CAR_UPGRADE_ACCEPTED,
};

/* Append the request. `network_interface` is "wifi" or "cellular". */
void fr_car_upgrade_request(struct fr_buffer *out, const char *server_name,
                            const char *network_interface);

/* Append received bytes to `head`, the response so far, and check it. If it is accepted, `used` is
 * set to the number of bytes that belong to it; WebSocket frames follow. */
enum fr_car_upgrade fr_car_upgrade_read(struct fr_buffer *head, const uint8_t *bytes, size_t len,
                                        size_t *used);

#endif
