/* Sending over the connection of a simulated vehicle. Internal to core/sim; all functions run in the
 * thread of the loop. Functions that return int return -1 if the connection is broken; the caller
 * closes it. */
#ifndef FR_VEHICLE_SEND_H
#define FR_VEHICLE_SEND_H

#include <stddef.h>
#include <stdint.h>

struct fr_car;

/* The monotonic time, in us. */
int64_t fr_car_now_us(void);

/* Call on_event() when the socket is readable, and, if ciphertext is unsent or the socket connects,
 * when it is writable. */
void fr_car_watch(struct fr_car *car);

/* Encrypt plaintext into the `out` buffer of the loop. fr_car_flush() sends it. */
int fr_car_encrypt(struct fr_car *car, const void *bytes, size_t len);

/* Send the ciphertext as far as the socket accepts it, and keep the rest. */
int fr_car_flush(struct fr_car *car);

/* Send as many messages of the buffer as the window and the socket allow. */
int fr_car_pump(struct fr_car *car);

#endif
