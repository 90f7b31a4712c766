/*
 * The token of each vehicle, in a text with a line `VIN TOKEN` for each; empty lines and lines that
 * begin with # are ignored. The function has no state; any thread may call it.
 */
#ifndef FR_HTTP_VEHICLE_TOKENS_H
#define FR_HTTP_VEHICLE_TOKENS_H

#include <stddef.h>

/* The token of a vehicle: `*len` bytes of `text`. NULL: the vehicle has none. */
const char *vehicle_token(const char *text, const char *vin, size_t *len);

#endif
