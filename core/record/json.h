/*
 * json.h - records and values as JSON.
 *
 * Two forms: fleetroute's own, with one canonical value a field, for people and for new
 * programs; and that of Tesla's server (transmit_decoded_records), for existing consumers.
 */
#ifndef FR_JSON_H
#define FR_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleetroute/plugin.h"
#include "record/record.h"
#include "util/buffer.h"
#include "util/json_text.h"

/* Append a number so that reading it back gives the same one; null for NaN and infinities. */
void fr_json_number(struct fr_buffer *out, double number);

/* Append a quoted RFC 3339 time in UTC with milliseconds. */
void fr_json_time_ms(struct fr_buffer *out, int64_t ms);

/* Append RFC 3339 in UTC, unquoted, with 0, 3, 6 or 9 decimals, whatever the time needs. */
void fr_json_rfc3339(struct fr_buffer *out, int64_t seconds, int32_t nanos);

/* What doors and tyres are called, by their bits. */
#define FR_DOOR_NAMES 6
#define FR_TIRE_NAMES 10
extern const char *const fr_door_names[FR_DOOR_NAMES];
extern const char *const fr_tire_names[FR_TIRE_NAMES];

/* Append one value: number, text, true or false, object, or null for none and invalid. */
void fr_json_value(struct fr_buffer *out, const struct fr_value *value);

/* Append a whole record as one JSON object, without a newline:
 *   {"type":"V","vin":…,"name":…,"txid":…,"created_at":…,"received_at":…,"resend":true,
 *    "late":true,"data":{"VehicleSpeed":65.5,…},"invalid":[…],"empty":[…]}
 * name, resend, late, repeated, invalid and empty are there only when there is something to say. Alerts,
 * errors and connectivity have their message's fields instead of data, as in Tesla's JSON.
 * marks are FR_MARK_*; vehicle_name may be NULL. redact: as redact.h says. */
void fr_json_record(struct fr_buffer *out, struct fr_record *record, const char *vehicle_name,
                    uint32_t marks, bool redact);

/* Append one delivered value as a JSON object:
 *   {"vin":…,"name":…,"field":"speed","value":104.6,"unit":"km/h","created_at":…,
 *    "received_at":…,"resend":true,…}
 * A value that is invalid or missing is null, with "state":"invalid" or "empty" beside it. */
void fr_json_field(struct fr_buffer *out, const struct fr_delivery *delivery);

/* Append the record's message as Tesla's server writes it. "{}" for a topic without a known
 * message, as the reference. Returns -1 when the payload does not parse. */
int fr_json_tesla(struct fr_buffer *out, const struct fr_record *record, bool redact);

/* The same without vin and createdAt, for an object that says them already. */
int fr_json_tesla_members(struct fr_buffer *out, const struct fr_record *record, bool redact);

#endif
