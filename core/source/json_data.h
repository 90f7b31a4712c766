/*
 * Converts the field values of a V record in fleetroute's own JSON (record/json.h) back to the
 * protobuf message Datum of Tesla's vehicle_data.proto.
 *
 * The function has no state. Any thread.
 */
#ifndef FR_JSON_DATA_H
#define FR_JSON_DATA_H

#include <jansson.h>

#include "util/buffer.h"
#include "util/error.h"

/* Members of the message Payload in vehicle_data.proto. */
enum {
    FR_PAYLOAD_DATA = 1,
    FR_PAYLOAD_CREATED_AT = 2,
    FR_PAYLOAD_VIN = 3,
    FR_PAYLOAD_IS_RESEND = 4
};

/* Append the members `data`, `invalid` and `empty` of the record's JSON to a message Payload. -1
 * with `error` set: a field name is not in the catalogue. A failed allocation sets out->failed. */
int fr_json_data_put(struct fr_buffer *out, const json_t *root, struct fr_error *error);

#endif
