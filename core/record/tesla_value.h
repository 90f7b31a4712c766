/* Values as the MQTT dispatcher of Tesla's server publishes them: in the type that the vehicle sent,
 * whatever the field's canonical type is. Any thread. Source: datastore/mqtt/mqtt_payload.go of
 * Tesla's fleet-telemetry.
 *
 * | member of Value           | JSON                                                             |
 * |---------------------------|------------------------------------------------------------------|
 * | string                    | the text, unchanged, also "" and "<invalid>" of old firmware      |
 * | int, long, float, double  | a number; null for NaN and infinities, on which Tesla's server    |
 * |                           | publishes nothing                                                |
 * | boolean                   | true, false                                                      |
 * | invalid                   | null                                                             |
 * | location                  | {"latitude":…,"longitude":…}                                     |
 * | doors                     | {"DriverFront":…,…}, all six                                     |
 * | tyres                     | {"front_left":true,…}, only those that are set                   |
 * | time                      | "07:05:09"                                                       |
 * | enum                      | "ShiftStateP", the name in the .proto file                       |
 * | enum, unknown number      | the number, as a text for those members whose names Tesla's code  |
 * |                           | looks up one by one, else as a number                            |
 * | none                      | {}                                                               |
 * | newer than the catalogue  | the number; Tesla's server publishes {} or knows the member      |
 *
 * A datum without Value, on which Tesla's server drops the connection, is null. */
#ifndef FR_TESLA_VALUE_H
#define FR_TESLA_VALUE_H

#include <stddef.h>
#include <stdint.h>

#include "util/buffer.h"

/* Append the value of an encoded message Datum as JSON. */
void fr_tesla_value(struct fr_buffer *out, const uint8_t *datum, size_t len);

#endif
