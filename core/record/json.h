/* Records and values as fleetroute's JSON, in which each field has one canonical value. The JSON of
 * Tesla's server is in json_tesla.h. An allocation failure sets `failed` of the buffer. Any thread
 * may call these functions. */
#ifndef FR_JSON_H
#define FR_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleetroute/plugin.h"
#include "record/record.h"
#include "util/buffer.h"
#include "util/json_text.h"

/* The names of doors and tyres, by bit number of enum fr_door and by enum fr_tire. */
#define FR_DOOR_NAMES 6
#define FR_TIRE_NAMES 10
extern const char *const fr_door_names[FR_DOOR_NAMES];
extern const char *const fr_tire_names[FR_TIRE_NAMES];

/* Append a value: a number, a text, true, false or an object; null for FR_VALUE_NONE and
 * FR_VALUE_INVALID. */
void fr_json_value(struct fr_buffer *out, const struct fr_value *value);

/* Append the value of a field. redact: coordinates and names of places are redacted, as described in
 * redact.h. */
void fr_json_datum(struct fr_buffer *out, const struct fr_datum *datum, bool redact);

/* Append a record as one JSON object without a line feed:
 *   {"type":"V","vin":…,"name":…,"txid":…,"created_at":…,"received_at":…,"resend":true,
 *    "late":true,"restored":true,"repeated":true,"data":{"VehicleSpeed":65.5,…},
 *    "invalid":[…],"empty":[…]}
 * name, created_at, the flags, invalid and empty are only present if they apply. Alerts, errors and
 * connectivity have the members of Tesla's JSON instead of data, invalid and empty; other topics
 * have "bytes", the length of the payload. `flags` are FR_FLAG_*; vehicle_name may be NULL. redact:
 * VIN, coordinates and names of places are redacted as described in redact.h. */
void fr_json_record(struct fr_buffer *out, struct fr_record *record, const char *vehicle_name,
                    uint32_t flags, bool redact);

/* Append a delivered value as one JSON object without a line feed:
 *   {"vin":…,"name":…,"field":"speed","value":104.6,"unit":"km/h","created_at":…,
 *    "received_at":…,"resend":true,…}
 * An invalid or missing value is null, with "state":"invalid" or "state":"empty" behind it. */
void fr_json_field(struct fr_buffer *out, const struct fr_delivery *delivery);

#endif
